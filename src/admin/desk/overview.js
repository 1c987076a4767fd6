// How the server does: the last hour in figures, the last day as lines, what is spent of what may be, and the campaigns
// that are furthest behind.

import {html, useState} from './vendor/preact.js';
import {get, part} from './api.js';
import {clock, millis, money, number, percent, t, when} from './text.js';
import {Bar, Choice, Loaded, Note, Table, Tiles, Title, useLoad} from './parts.js';
import {Chart} from './chart.js';
import {Pacing} from './pacing.js';

const BEHIND = 8;

export function Page() {
  const loaded = useLoad(() => get('api/overview'), []);
  return html`<${Title} text=${t('overview.title')}><button onClick=${loaded.again}>${t('refresh')}</button><//>
    <${Loaded} of=${loaded}>${(data) => html`<${Overview} data=${data} />`}<//>`;
}

function Overview({data}) {
  const {hour} = data;
  return html`
    ${!data.ready && html`<${Note} kind="bad">${t('overview.not-ready')}<//>`}
    <section aria-labelledby="hour"><h2 id="hour">${t('overview.hour')}</h2>
      <${Tiles} of=${[
        [t('figure.requests'), number(hour.requests), t('overview.of-day', {n: number(data.day.requests)})],
        [t('figure.match-rate'), percent(hour.match_rate), t('overview.users', {n: number(data.users)})],
        [t('figure.bid-rate'), percent(hour.bid_rate), t('overview.bids', {n: number(hour.bids)})],
        [t('figure.win-rate'), percent(hour.win_rate), t('overview.impressions', {n: number(hour.impressions)})],
        [t('figure.p99'), millis(hour.p99_ms), t('overview.median', {n: millis(hour.p50_ms)})],
        [t('figure.on-time'), percent(hour.on_time_rate, 3), t('overview.late', {n: number(hour.late)})],
      ]} /></section>
    <section aria-labelledby="spend"><h2 id="spend">${t('overview.spend')}</h2><${Spend} rows=${data.spend} /></section>
    <${Behind} />
    <section aria-labelledby="day"><h2 id="day">${t('overview.day')}</h2>
      <p class="quiet">${t('overview.since', {from: when(data.series[0]?.at ?? data.to)})}</p>
      <div class="charts"><${Lines} series=${data.series} /></div></section>`;
}

function Spend({rows}) {
  const share = (row) => (Number(row.allowance) > 0 ? Number(row.spent_of_allowance) / Number(row.allowance) : null);
  const columns = [
    {label: t('figure.currency'), cell: (row) => row.currency},
    {label: t('figure.active'), num: true, cell: (row) => number(row.campaigns)},
    {label: t('figure.spent-today'), num: true, cell: (row) => money(row.spent_today, row.currency)},
    {label: t('figure.allowance'), num: true, cell: (row) => money(row.allowance, row.currency)},
    {label: t('figure.expected'), num: true, cell: (row) => money(row.expected, row.currency)},
    {label: t('figure.spent-of'), cell: (row) => html`<${Bar} part=${share(row)} label=${percent(share(row))} />${percent(share(row))}`},
  ];
  return html`<${Table} label=${t('overview.spend')} columns=${columns} rows=${rows} />`;
}

function Behind() {
  const loaded = useLoad(() => get(`api/campaigns?status=active&sort=pace&limit=${BEHIND}`), []);
  return html`<section aria-labelledby="behind"><h2 id="behind">${t('overview.behind')}</h2>
    <${Loaded} of=${loaded}>${({rows, total}) => html`<${Curves} rows=${rows.filter((row) => row.today.expected !== null)} total=${total} />`}<//></section>`;
}

function Curves({rows, total}) {
  const name = (row) => `${row.advertiser}/${row.campaign}`;
  const [chosen, setChosen] = useState(rows[0] && name(rows[0]));
  const row = rows.find((row) => name(row) === chosen);
  const link = (row) => html`<a href=${`#/campaign/${part(row.advertiser)}/${part(row.campaign)}`}>${name(row)}</a>`;
  const share = (row) => (Number(row.today.expected) > 0 ? Number(row.today.spent) / Number(row.today.expected) : null);
  const columns = [
    {label: t('figure.campaign'), cell: link},
    {label: t('figure.spent-today'), num: true, cell: (row) => money(row.today.spent, row.currency)},
    {label: t('figure.expected'), num: true, cell: (row) => money(row.today.expected, row.currency)},
    {label: t('figure.of-expected'), num: true, cell: (row) => percent(share(row), 0)},
    {label: t('figure.bids-hour'), num: true, cell: (row) => number(row.last_hour.bids)},
  ];
  return html`
    <${Table} label=${t('overview.behind')} columns=${columns} rows=${rows} empty=${t('overview.no-plan')} />
    <p><a href="#/campaigns?sort=pace&status=active">${t('overview.all', {n: number(total)})}</a></p>
    ${row && html`<div class="row"><${Choice} label=${t('overview.curve')} value=${chosen} onChange=${setChosen}
      of=${rows.map((row) => [name(row), name(row)])} /></div>
      <${Pacing} key=${chosen} advertiser=${row.advertiser} campaign=${row.campaign} />`}`;
}

function Lines({series}) {
  const at = series.map((row) => row.at);
  const of = (key, label, show = number) => ({label, show, values: series.map((row) => row[key])});
  const common = {at, name: (moment) => clock(moment)};
  return html`
    <${Chart} ...${common} title=${t('overview.chart.requests')}
      lines=${[of('requests', t('figure.requests')), of('bids', t('figure.bids'))]} />
    <${Chart} ...${common} title=${t('overview.chart.rates')} lines=${[
      of('match_rate', t('figure.match-rate'), percent), of('bid_rate', t('figure.bid-rate'), percent),
      of('win_rate', t('figure.win-rate'), percent)]} />
    <${Chart} ...${common} title=${t('overview.chart.latency')}
      lines=${[of('p99_ms', t('figure.p99'), millis), of('p50_ms', t('figure.p50'), millis)]} />`;
}
