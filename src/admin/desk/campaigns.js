// All campaigns of all advertisers: searched, sorted and by the page, so that a thousand are no more than fifty.

import {html, useEffect, useState} from './vendor/preact.js';
import {get, part, query} from './api.js';
import {money, number, percent, t} from './text.js';
import {Choice, Field, Loaded, Table, Title, useLoad} from './parts.js';

const ROWS = 50;
const QUIET_MS = 250;

export function Page({query: asked}) {
  const {q = '', status = '', sort = 'campaign', order = 'asc', page = '1'} = asked;
  const change = (values) => { location.hash = `#/campaigns${query({...asked, page: undefined, ...values})}`; };
  const offset = (Math.max(1, Number(page) || 1) - 1) * ROWS;
  const path = `api/campaigns${query({q, status, sort, order, offset, limit: ROWS})}`;
  const loaded = useLoad(() => get(path), [path]);
  const sorted = {
    by: sort,
    descending: order === 'desc',
    to: (by) => change({sort: by, order: by === sort ? (order === 'asc' ? 'desc' : 'asc') : by === 'campaign' ? 'asc' : 'desc'}),
  };
  return html`<${Title} text=${t('menu.campaigns')} />
    <div class="row filters">
      <${Search} value=${q} onChange=${(q) => change({q})} />
      <label class="field"><span>${t('figure.status')}</span>
        <${Choice} label=${t('figure.status')} value=${status} onChange=${(status) => change({status})} of=${[
          ['', t('campaigns.any')], ['active', t('status.active')], ['paused', t('status.paused')], ['archived', t('status.archived')]]} />
      </label>
    </div>
    <${Loaded} of=${loaded}>${({rows, total}) => html`
      <p role="status">${t('campaigns.found', {n: number(total)})}</p>
      <${Table} label=${t('menu.campaigns')} columns=${columns()} rows=${rows} sorted=${sorted} empty=${t('campaigns.none')} />
      <${Pages} page=${offset / ROWS + 1} of=${Math.ceil(total / ROWS)} to=${(page) => change({page})} />`}<//>`;
}

// Asks once whoever types has paused.
function Search({value, onChange}) {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onChange(text), QUIET_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<${Field} label=${t('campaigns.search')}>
    <input type="search" value=${text} onInput=${(event) => setText(event.currentTarget.value)} /><//>`;
}

function columns() {
  const link = (row) => html`<a href=${`#/campaign/${part(row.advertiser)}/${part(row.campaign)}`}>${row.campaign}</a>
    <small>${row.advertiser_name}</small>`;
  const share = (row) => (Number(row.today.expected) > 0 ? Number(row.today.spent) / Number(row.today.expected) : null);
  return [
    {label: t('figure.campaign'), sort: 'campaign', cell: link},
    {label: t('figure.status'), sort: 'status', cell: (row) => html`<span class=${`badge ${row.status}`}>${t(`status.${row.status}`)}</span>`},
    {label: t('figure.bid'), num: true, cell: (row) => html`${money(row.bid.amount, row.currency)} <small>${row.bid.type.toUpperCase()}</small>`},
    {label: t('figure.spent-today'), num: true, sort: 'spent_today', cell: (row) => money(row.today.spent, row.currency)},
    {label: t('figure.allowance'), num: true, cell: (row) => money(row.today.allowance, row.currency)},
    {label: t('figure.of-expected'), num: true, sort: 'pace', cell: (row) => percent(share(row), 0)},
    {label: t('figure.spent'), num: true, sort: 'spent', cell: (row) => money(row.spent, row.currency)},
    {label: t('figure.impressions'), num: true, sort: 'impressions', cell: (row) => number(row.impressions)},
    {label: t('figure.clicks'), num: true, sort: 'clicks', cell: (row) => number(row.clicks)},
    {label: t('figure.bids-hour'), num: true, cell: (row) => number(row.last_hour.bids)},
  ];
}

function Pages({page, of, to}) {
  if (of <= 1) return null;
  return html`<nav class="row" aria-label=${t('campaigns.pages')}>
    <button disabled=${page <= 1} onClick=${() => to(page - 1)}>${t('campaigns.before')}</button>
    <span>${t('campaigns.page', {n: number(page), of: number(of)})}</span>
    <button disabled=${page >= of} onClick=${() => to(page + 1)}>${t('campaigns.after')}</button>
  </nav>`;
}
