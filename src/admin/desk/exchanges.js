// Each exchange: who was recognised, why there was no bid, what was late, why bids were lost.

import {html} from './vendor/preact.js';
import {get} from './api.js';
import {number, percent, t} from './text.js';
import {Bar, Loaded, Table, Tiles, Title, useLoad} from './parts.js';

export function Page() {
  const loaded = useLoad(() => get('api/exchanges'), []);
  return html`<${Title} text=${t('menu.exchanges')}><button onClick=${loaded.again}>${t('refresh')}</button><//>
    <${Loaded} of=${loaded}>${({exchanges}) => html`
      <${Summary} rows=${exchanges} />
      ${exchanges.map((exchange) => html`<${Exchange} key=${exchange.exchange} of=${exchange} />`)}`}<//>`;
}

function Summary({rows}) {
  const of = (key, label, show = number) => ({label, num: true, cell: (row) => show(row.day[key])});
  const columns = [
    {label: t('exchanges.exchange'), cell: (row) => row.exchange},
    of('requests', t('figure.requests')),
    of('match_rate', t('figure.match-rate'), percent),
    of('bid_rate', t('figure.bid-rate'), percent),
    of('win_rate', t('figure.win-rate'), percent),
    of('late', t('exchanges.late')),
    {label: t('exchanges.on-time'), num: true, cell: (row) => percent(row.on_time, 3)},
  ];
  return html`<section aria-labelledby="summary"><h2 id="summary">${t('exchanges.day')}</h2>
    <${Table} label=${t('exchanges.day')} columns=${columns} rows=${rows} empty=${t('exchanges.none')} /></section>`;
}

function Exchange({of}) {
  const {day, hour} = of;
  return html`<section class="exchange"><h2>${of.exchange}</h2>
    <${Tiles} of=${[
      [t('exchanges.hour-requests'), number(hour.requests), t('overview.of-day', {n: number(day.requests)})],
      [t('figure.match-rate'), percent(day.match_rate), t('exchanges.matched', {n: number(day.matched)})],
      [t('figure.bid-rate'), percent(day.bid_rate), t('overview.bids', {n: number(day.bids)})],
      [t('figure.win-rate'), percent(day.win_rate), t('overview.impressions', {n: number(day.impressions)})],
      [t('exchanges.on-time'), percent(of.on_time, 3), t('overview.late', {n: number(day.late)})],
    ]} />
    <${Parts} title=${t('exchanges.recognized')} rows=${of.recognized} name=${(row) => row.sentence} tag=${(row) => row.result}
      count=${(row) => row.requests} unit=${t('figure.requests')} />
    ${of.refused.length > 0 && html`<${Parts} title=${t('exchanges.refused')} rows=${of.refused}
      name=${(row) => row.ground.replaceAll('_', ' ')} count=${(row) => row.requests} unit=${t('figure.requests')} />`}
    <${Parts} title=${t('exchanges.reasons')} rows=${of.reasons} name=${(row) => row.sentence} tag=${(row) => row.reason}
      count=${(row) => row.requests} unit=${t('figure.requests')} />
    <${Parts} title=${t('exchanges.losses')} rows=${of.losses} name=${(row) => row.reason.replaceAll('_', ' ')}
      tag=${(row) => row.code} count=${(row) => row.bids} unit=${t('figure.bids')} />
  </section>`;
}

// What something is made of, each with its part of the whole.
function Parts({title, rows, name, tag, count, unit}) {
  const all = rows.reduce((sum, row) => sum + count(row), 0);
  const columns = [
    {label: title, cell: (row) => html`${name(row)} ${tag && html`<small>${tag(row)}</small>`}`},
    {label: unit, num: true, cell: (row) => number(count(row))},
    {label: t('funnel.part'), cell: (row) => html`<${Bar} part=${count(row) / all} label=${percent(count(row) / all)} />
      ${percent(count(row) / all)}`},
  ];
  return html`<h3>${title}</h3><${Table} label=${title} columns=${columns} rows=${rows} empty=${t('exchanges.nothing')} />`;
}
