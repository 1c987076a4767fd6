// What the pages say, in the reader's language, and how that language writes numbers, money and times.
// Texts are in text/*.json, one file a language; money comes as decimal text and never passes through a float.

const LANGUAGES = ['en', 'vi'];
const CHOSEN = 'winback-language';

let texts = {};

/** The language of the pages. */
export let language = 'en';

/** The languages there are. */
export const languages = LANGUAGES;

/** Loads the texts of the chosen language, else of the one that the browser prefers. */
export async function load() {
  const preferred = [localStorage.getItem(CHOSEN), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  language = preferred.find((tag) => LANGUAGES.includes(tag)) ?? 'en';
  texts = await (await fetch(`desk/text/${language}.json`)).json();
  document.documentElement.lang = language;
}

/** Chooses another language. */
export async function choose(tag) {
  localStorage.setItem(CHOSEN, tag);
  await load();
}

/** A text by its key, with the values of its {places}. */
export function t(key, values) {
  const text = texts[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '') : text;
}

/** A text by its key, or what it is about where the language has no word of its own for it. */
export const word = (prefix, name) => texts[`${prefix}.${name}`] ?? String(name ?? '').replaceAll('_', ' ');

/** A whole or decimal number. */
export function number(value, digits = 0) {
  if (value === null || value === undefined || value === '') return '–';
  return new Intl.NumberFormat(language, {maximumFractionDigits: digits}).format(value);
}

/** A part from 0 to 1. */
export function percent(value, digits = 1) {
  if (value === null || value === undefined) return '–';
  return new Intl.NumberFormat(language, {style: 'percent', maximumFractionDigits: digits}).format(value);
}

/** An amount, from decimal text. */
export function money(text, currency) {
  if (text === null || text === undefined || text === '') return '–';
  const manner = currency ? {style: 'currency', currency, currencyDisplay: 'narrowSymbol'} : {};
  return new Intl.NumberFormat(language, {...manner, maximumFractionDigits: 4}).format(text);
}

/** Milliseconds. */
export function millis(value) {
  if (value === null || value === undefined) return '–';
  return `${number(value, value < 10 ? 2 : 0)} ms`;
}

/** A moment, in a zone or else in the browser's. */
export function when(moment, zone, manner = {dateStyle: 'medium', timeStyle: 'short'}) {
  if (moment === null || moment === undefined) return '–';
  return new Intl.DateTimeFormat(language, {...manner, timeZone: zone}).format(new Date(moment));
}

/** The hour and minute of a moment. */
export const clock = (moment, zone) => when(moment, zone, {hour: '2-digit', minute: '2-digit'});

/** A date such as 2026-01-31, which is the same in every zone. */
export const date = (day) => when(`${day}T12:00:00Z`, 'UTC', {day: 'numeric', month: 'short', year: 'numeric'});

/** Names in a row. */
export const list = (names) => new Intl.ListFormat(language).format(names);
