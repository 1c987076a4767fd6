// One campaign: paused and resumed, its bid and budget, how its day goes, what became of the last hour's requests, its
// figures by whatever one asks, and its ads.

import {html, useState} from './vendor/preact.js';
import {call, get, part} from './api.js';
import {money, t} from './text.js';
import {Act, Choice, Field, Loaded, Note, Title, useLoad} from './parts.js';
import {Pacing} from './pacing.js';
import {Funnel} from './funnel.js';
import {Figures} from './figures.js';
import {Ads} from './ads.js';

export function Page({words: [advertiser, campaign], who}) {
  const path = `api/advertisers/${part(advertiser)}`;
  const [turn, setTurn] = useState(0);
  const loaded = useLoad(async () => {
    const [file, row] = await Promise.all([call('GET', path), get(`${path}/campaigns/${part(campaign)}/pacing`)]);
    return {etag: file.etag, file: file.value, row};
  }, [path, campaign, turn]);
  const change = async (etag, body) => {
    await call('PATCH', `${path}/campaigns/${part(campaign)}`, {etag, body});
    setTurn((turn) => turn + 1);
  };
  return html`<${Loaded} of=${loaded}>${({etag, file, row}) => html`
    <${Title} text=${campaign}><span class=${`badge ${row.status}`}>${t(`status.${row.status}`)}</span>
      <${Status} row=${row} who=${who} change=${(body) => change(etag, body)} /><//>
    <p class="quiet">${t('campaign.of', {name: file.name})} · <a href=${`#/editor/${part(advertiser)}`}>${t('campaign.json')}</a></p>
    <section aria-labelledby="pacing"><h2 id="pacing">${t('campaign.today')}</h2>
      <${Pacing} advertiser=${advertiser} campaign=${campaign} turn=${turn} /></section>
    <section aria-labelledby="edit"><h2 id="edit">${t('campaign.edit')}</h2>
      <${Edit} key=${etag} row=${row} who=${who} change=${(body) => change(etag, body)} /></section>
    <${Funnel} path=${`${path}/campaigns/${part(campaign)}/funnel`} zone=${row.timezone} />
    <${Figures} advertiser=${advertiser} campaign=${campaign} currency=${row.currency} zone=${row.timezone} />
    <${Ads} advertiser=${advertiser} creatives=${row.creatives} />`}<//>`;
}

const mayWrite = (who) => who.role !== 'read';

function Status({row, who, change}) {
  if (row.status === 'archived' || !mayWrite(who)) return null;
  const [label, status] = row.status === 'active' ? [t('campaign.pause'), 'paused'] : [t('campaign.resume'), 'active'];
  return html`<${Act} label=${label} act=${() => change(JSON.stringify({status}))} />`;
}

// Decimal text as the number that it writes, digit by digit; anything else as text, for the server to say what is wrong.
const amount = (text) => (/^\d+(\.\d+)?$/.test(text) ? text : JSON.stringify(text));

function Edit({row, who, change}) {
  const before = {
    amount: row.bid.amount, max_cpm: row.bid.max_cpm ?? '', daily: row.budget.daily ?? '', total: row.budget.total ?? '',
    pacing: row.budget.pacing,
  };
  const [now, setNow] = useState(before);
  const [isSaved, setSaved] = useState(false);
  const set = (key) => (value) => { setSaved(false); setNow({...now, [key]: value}); };
  const is = (key) => now[key].trim() !== before[key];
  const save = async () => {
    const member = (key) => `"${key}":${now[key].trim() === '' ? 'null' : amount(now[key].trim())}`;
    const group = (name, members) => (members.length > 0 ? [`"${name}":{${members}}`] : []);
    const budget = ['daily', 'total'].filter(is).map(member);
    if (is('pacing')) budget.push(`"pacing":"${now.pacing}"`);
    await change(`{${[...group('bid', ['amount', 'max_cpm'].filter(is).map(member)), ...group('budget', budget)]}}`);
    setSaved(true);
  };
  const field = (key, label) => html`<${Field} label=${label}>
    <input inputmode="decimal" name=${key} value=${now[key]} disabled=${!mayWrite(who)}
      onInput=${(event) => set(key)(event.currentTarget.value)} /><//>`;
  const isChanged = Object.keys(before).some(is);
  return html`<div class="fields">
      ${field('amount', t('campaign.amount', {type: row.bid.type.toUpperCase(), currency: row.currency}))}
      ${field('max_cpm', t('campaign.max-cpm', {currency: row.currency}))}
      ${field('daily', t('campaign.daily', {currency: row.currency}))}
      ${field('total', t('campaign.total', {currency: row.currency, spent: money(row.spent, row.currency)}))}
      <label class="field"><span>${t('campaign.pacing')}</span><${Choice} label=${t('campaign.pacing')} value=${now.pacing}
        onChange=${set('pacing')} of=${[['even', t('pacing.even')], ['asap', t('pacing.asap')]]} /></label>
    </div>
    ${mayWrite(who) ? html`<${Act} kind="main" label=${t('save')} disabled=${!isChanged} act=${save} />` : html`<${Note}>${t('read-only')}<//>`}
    ${isSaved && html`<${Note} kind="good">${t('saved')}<//>`}`;
}
