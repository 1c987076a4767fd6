// A campaign's figures by day or by whatever else the report knows, as a table and as a line.

import {html, useState} from './vendor/preact.js';
import {get, query} from './api.js';
import {date, money, number, percent, t, word} from './text.js';
import {Choice, Loaded, Table, useLoad} from './parts.js';
import {Chart} from './chart.js';

const BY = ['day', 'hour', 'recency', 'frequency', 'creative', 'product', 'exchange', 'domain', 'device', 'format'];
const DAYS = ['1', '7', '30', '90'];
const DAY_MS = 86_400_000;

// A day of the advertiser's, so many before today: 2026-01-31 is how Swedish writes dates.
function daysAgo(days, zone) {
  return new Intl.DateTimeFormat('sv', {timeZone: zone}).format(Date.now() - days * DAY_MS);
}

/** The figures of a campaign. */
export function Figures({advertiser, campaign, currency, zone}) {
  const [by, setBy] = useState('day');
  const [days, setDays] = useState('7');
  const path = `api/report${query({advertiser, from: daysAgo(Number(days) - 1, zone), by: `campaign,${by}`})}`;
  const loaded = useLoad(() => get(path), [path]);
  return html`<section aria-labelledby="figures"><h2 id="figures">${t('figures.title')}</h2>
    <div class="row filters">
      <label class="field"><span>${t('figures.by')}</span><${Choice} label=${t('figures.by')} value=${by} onChange=${setBy}
        of=${BY.map((by) => [by, t(`by.${by}`)])} /></label>
      <label class="field"><span>${t('figures.days')}</span><${Choice} label=${t('figures.days')} value=${days} onChange=${setDays}
        of=${DAYS.map((days) => [days, t('figures.last', {n: days})])} /></label>
      <a class="button" href=${`${path}&format=csv`} download>${t('figures.csv')}</a>
    </div>
    <${Loaded} of=${loaded}>${({rows}) => html`<${Rows} by=${by} currency=${currency}
      rows=${rows.filter((row) => row.campaign === campaign)} />`}<//></section>`;
}

function Rows({by, currency, rows}) {
  const show = (amount) => money(amount, currency);
  const name = (row) => (by === 'day' ? date(row.day) : String(row[by] ?? ''));
  const column = (key, label, cell) => ({label, num: true, cell: (row) => cell(row[key])});
  const columns = [
    {label: t(`by.${by}`), cell: (row) => (by === 'device' || by === 'format' ? word('value', row[by]) : name(row))},
    column('impressions', t('figure.impressions'), number),
    column('clicks', t('figure.clicks'), number),
    column('conversions', t('figure.conversions'), number),
    column('billed', t('figure.billed'), show),
    column('conversion_value', t('figure.value'), show),
    column('ctr', t('figure.ctr'), (rate) => percent(rate, 2)),
    column('cvr', t('figure.cvr'), (rate) => percent(rate, 2)),
    column('ecpm', t('figure.ecpm'), show),
    column('ecpa', t('figure.ecpa'), show),
    column('roas', t('figure.roas'), (rate) => number(rate, 2)),
  ];
  if (rows.some((row) => row.new_customers !== undefined)) {
    columns.splice(4, 0, column('new_customers', t('figure.new-customers'), number),
      column('repeat_purchases', t('figure.repeat'), number));
  }
  const isInTime = by === 'day' || by === 'hour';
  return html`
    ${isInTime && rows.length > 1 && html`<${Chart} title=${t('figures.billed')} at=${rows.map(name)} name=${(name) => name}
      lines=${[{label: t('figure.billed'), values: rows.map((row) => row.billed), show}]} />`}
    <${Table} label=${t('figures.title')} columns=${columns} rows=${rows} empty=${t('figures.none')} />`;
}
