// How product feeds do, and whether shops name products in events as their feeds do.

import {html, useState} from './vendor/preact.js';
import {call, get, part} from './api.js';
import {number, percent, t, when, word} from './text.js';
import {Act, Loaded, Note, Table, Tiles, Title, useLoad} from './parts.js';

export function Page({words: [id], who}) {
  const path = id ? `api/feeds/${part(id)}` : 'api/feeds';
  const loaded = useLoad(() => get(path), [path]);
  if (!id) {
    return html`<${Title} text=${t('menu.feeds')}><button onClick=${loaded.again}>${t('refresh')}</button><//>
      <${Loaded} of=${loaded}>${({feeds}) => html`<${List} feeds=${feeds} />`}<//>`;
  }
  return html`<${Title} text=${t('feeds.of', {id})} />
    <p><a href="#/feeds">${t('feeds.all')}</a></p>
    <${Loaded} of=${loaded}>${(feed) => html`<${Feed} feed=${feed} who=${who} again=${loaded.again} />`}<//>`;
}

const health = (feed) => html`<span class=${`badge ${feed.problem ? 'bad' : 'good'}`}>${word('feed', feed.result)}</span>`;
const rejected = (feed) => feed.read?.rejected.items ?? 0;

function List({feeds}) {
  const columns = [
    {label: t('feeds.advertiser'), cell: (feed) => html`<a href=${`#/feeds/${part(feed.advertiser)}`}>${feed.advertiser}</a>`},
    {label: t('feeds.health'), cell: health},
    {label: t('feeds.good'), cell: (feed) => when(feed.good)},
    {label: t('feeds.products'), num: true, cell: (feed) => number(feed.products)},
    {label: t('feeds.rejected'), num: true, cell: (feed) => number(rejected(feed))},
    {label: t('feeds.out-of-stock'), num: true, cell: (feed) => number(feed.read?.out_of_stock)},
    {label: t('feeds.matched'), num: true, cell: (feed) => percent(feed.events.match_rate)},
    {label: t('feeds.missing'), num: true, cell: (feed) => number(feed.events.not_in_feed)},
  ];
  return html`<${Table} label=${t('menu.feeds')} columns=${columns} rows=${feeds} empty=${t('feeds.none')} />`;
}

function Feed({feed, who, again}) {
  const [isRead, setRead] = useState(false);
  const refresh = async () => {
    await call('POST', `api/feeds/${part(feed.advertiser)}/refresh`);
    setRead(true);
    again();
  };
  return html`
    ${feed.problem && html`<${Note} kind="bad">${feed.problem.message}<//>`}
    <p>${health(feed)} <code>${feed.source}</code></p>
    <${Tiles} of=${[
      [t('feeds.products'), number(feed.products), t('feeds.good-at', {at: when(feed.good)})],
      [t('feeds.rejected'), number(rejected(feed)), feed.read && t('feeds.items', {n: number(feed.read.items), format: feed.read.format})],
      [t('feeds.out-of-stock'), number(feed.read?.out_of_stock), feed.read && t('feeds.hidden', {n: number(feed.read.hidden)})],
      [t('feeds.matched'), percent(feed.events.match_rate), t('feeds.of-items', {n: number(feed.events.items)})],
    ]} />
    ${who.role !== 'read' && html`<p><${Act} label=${t('feeds.read-now')} act=${refresh} />
      <small>${t('feeds.tried', {at: when(feed.tried)})} ${feed.next && t('feeds.next', {at: when(feed.next)})}</small></p>`}
    ${isRead && html`<${Note} kind="good">${t('feeds.was-read')}<//>`}
    <section aria-labelledby="missing"><h2 id="missing">${t('feeds.ids')}</h2><p>${t('feeds.ids-hint')}</p>
      <${Missing} rows=${feed.events.ids_not_in_feed} /></section>
    ${feed.read && html`<${Rejected} of=${feed.read.rejected} />`}`;
}

function Missing({rows}) {
  const columns = [
    {label: t('feeds.id'), cell: (row) => html`<code>${row.item_id}</code>`},
    {label: t('feeds.events'), num: true, cell: (row) => number(row.count)},
    {label: t('feeds.last'), cell: (row) => when(row.last)},
    {label: t('feeds.remedy'), cell: (row) => row.hint ?? '–'},
  ];
  return html`<${Table} label=${t('feeds.ids')} columns=${columns} rows=${rows} empty=${t('feeds.no-ids')} />`;
}

function Rejected({of}) {
  const reasons = [
    {label: t('feeds.reason'), cell: (row) => row.reason.replaceAll('_', ' ')},
    {label: t('feeds.count'), num: true, cell: (row) => number(row.items)},
    {label: t('feeds.remedy'), cell: (row) => row.remedy},
  ];
  const examples = [
    {label: t('feeds.line'), num: true, cell: (row) => number(row.line)},
    {label: t('feeds.id'), cell: (row) => html`<code>${row.item_id ?? '–'}</code>`},
    {label: t('feeds.reason'), cell: (row) => row.reason.replaceAll('_', ' ')},
    {label: t('feeds.value'), cell: (row) => row.value ?? '–'},
  ];
  return html`<section aria-labelledby="rejected"><h2 id="rejected">${t('feeds.rejected')}</h2>
    <${Table} label=${t('feeds.rejected')} columns=${reasons} rows=${of.reasons} empty=${t('feeds.none-rejected')} />
    ${of.examples.length > 0 && html`<h3>${t('feeds.examples')}</h3>
      <${Table} label=${t('feeds.examples')} columns=${examples} rows=${of.examples} />`}</section>`;
}
