// Lines over time or over names, drawn by uPlot. What a chart shows stands beside it as a table, for who reads it
// better.

import {html, useEffect, useRef, useState} from './vendor/preact.js';
import uPlot from './vendor/uplot.js';
import {t} from './text.js';
import {Table} from './parts.js';

const HEIGHT = 220;
const COLOURS = ['--line-1', '--line-2', '--line-3'];
const dark = matchMedia('(prefers-color-scheme: dark)');

/**
 * `at` are the places from left to right, `name(place)` what they are called; `lines` are
 * `{label, values, show(value), dash?}`, a value being null where there is none.
 */
export function Chart({title, at, name, lines}) {
  const place = useRef();
  const [isDark, setDark] = useState(dark.matches);
  useEffect(() => {
    const heard = () => setDark(dark.matches);
    dark.addEventListener('change', heard);
    return () => dark.removeEventListener('change', heard);
  }, []);
  useEffect(() => {
    const width = () => Math.max(240, place.current.clientWidth);
    const numbers = lines.map((line) => line.values.map((value) => (value === null ? null : Number(value))));
    const plot = new uPlot(options(width(), at, name, lines), [at.map((_, n) => n), ...numbers], place.current);
    const watch = new ResizeObserver(() => plot.setSize({width: width(), height: HEIGHT}));
    watch.observe(place.current);
    return () => { watch.disconnect(); plot.destroy(); };
  }, [isDark, JSON.stringify([title, at, lines.map((line) => [line.label, line.values])])]);
  const columns = [
    {label: t('chart.at'), cell: (n) => name(at[n])},
    ...lines.map((line) => ({label: line.label, num: true, cell: (n) => line.show(line.values[n])})),
  ];
  return html`<figure>
    <figcaption>${title}</figcaption>
    <div class="legend" aria-hidden="true">${lines.map((line, n) => html`<span class=${`key key-${n + 1}`}>${line.label}</span>`)}</div>
    <div ref=${place} class="plot" role="img" aria-label=${t('chart.of', {title})}></div>
    <details><summary>${t('chart.table')}</summary>
      <${Table} label=${title} columns=${columns} rows=${at.map((_, n) => n)} /></details>
  </figure>`;
}

function options(width, at, name, lines) {
  const style = getComputedStyle(document.documentElement);
  const colour = (variable) => style.getPropertyValue(variable).trim();
  const axis = {stroke: colour('--quiet'), grid: {stroke: colour('--edge'), width: 1}, ticks: {stroke: colour('--edge'), width: 1}};
  const most = Math.max(2, Math.floor(width / 90));
  return {
    width,
    height: HEIGHT,
    legend: {show: false},
    cursor: {show: false},
    scales: {x: {time: false}, y: {range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1]}},
    axes: [
      {
        ...axis,
        splits: () => some(at.length, most),
        values: (_, places) => places.map((n) => (at[n] === undefined ? '' : name(at[n]))),
      },
      {...axis, size: 64, values: (_, values) => values.map((value) => lines[0].show(value))},
    ],
    series: [
      {},
      ...lines.map((line, n) => ({
        label: line.label,
        stroke: colour(COLOURS[n]),
        width: 2,
        dash: line.dash ? [6, 5] : undefined,
        points: {show: !line.dash && at.length < 60},
      })),
    ],
  };
}

// At most so many of the places, evenly.
function some(all, most) {
  const step = Math.max(1, Math.ceil(all / most));
  return Array.from({length: Math.ceil(all / step)}, (_, n) => n * step);
}
