// What became of the last hour's requests of shoppers that the advertiser knows, and what to do about it.

import {html} from './vendor/preact.js';
import {get} from './api.js';
import {clock, number, percent, t, word} from './text.js';
import {Bar, Loaded, Table, useLoad} from './parts.js';

/** The funnel of the campaign whose call this is. */
export function Funnel({path, zone}) {
  const loaded = useLoad(() => get(path), [path]);
  return html`<section aria-labelledby="funnel"><h2 id="funnel">${t('funnel.title')}</h2>
    <${Loaded} of=${loaded}>${(data) => html`<${Shown} data=${data} zone=${zone} />`}<//></section>`;
}

function Shown({data, zone}) {
  const part = (requests) => (data.requests > 0 ? requests / data.requests : 0);
  const steps = [
    [t('funnel.known'), data.requests],
    ...data.stages.map(({stage, requests}) => [t('funnel.after', {stage: word('stage', stage)}), requests]),
    [t('figure.bids'), data.bids],
  ];
  const columns = [
    {label: t('funnel.reason'), cell: (row) => html`${row.sentence} <small>${row.reason}</small>`},
    {label: t('funnel.stage'), cell: (row) => word('stage', row.stage)},
    {label: t('figure.requests'), num: true, cell: (row) => number(row.requests)},
    {label: t('funnel.part'), num: true, cell: (row) => percent(part(row.requests))},
  ];
  return html`
    <p class="quiet">${t('funnel.hour', {from: clock(data.from, zone), to: clock(data.to, zone)})}</p>
    <ul class="advice">${data.advice.map((line) => html`<li>${line}</li>`)}</ul>
    <ol class="funnel">${steps.map(([label, requests]) => html`<li><span>${label}</span>
      <${Bar} part=${part(requests)} label=${percent(part(requests))} /><b>${number(requests)}</b></li>`)}</ol>
    <${Table} label=${t('funnel.reasons')} columns=${columns} rows=${data.reasons} empty=${t('funnel.no-reasons')} />
    ${data.losses.length > 0 && html`<h3>${t('funnel.losses')}</h3><ul>${data.losses.map((line) => html`<li>${line}</li>`)}</ul>`}`;
}
