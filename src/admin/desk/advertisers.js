// Who advertises: the way to each one's campaigns, feed and JSON.

import {html} from './vendor/preact.js';
import {get, part, query} from './api.js';
import {number, t} from './text.js';
import {Loaded, Table, Title, useLoad} from './parts.js';

export function Page() {
  const loaded = useLoad(() => get('api/advertisers'), []);
  const active = (row) => row.campaigns.filter(({status}) => status === 'active').length;
  const columns = [
    {label: t('advertisers.name'), cell: (row) => html`<a href=${`#/editor/${part(row.id)}`}>${row.name}</a> <small>${row.id}</small>`},
    {label: t('menu.campaigns'), num: true, cell: (row) => html`<a href=${`#/campaigns${query({q: row.id})}`}>${number(row.campaigns.length)}</a>`},
    {label: t('figure.active'), num: true, cell: (row) => number(active(row))},
    {label: t('feeds.products'), num: true, cell: (row) => html`<a href=${`#/feeds/${part(row.id)}`}>${number(row.products)}</a>`},
    {label: t('figure.currency'), cell: (row) => row.currency},
    {label: t('advertisers.zone'), cell: (row) => row.timezone},
  ];
  return html`<${Title} text=${t('menu.advertisers')} />
    <p class="quiet">${t('advertisers.hint')}</p>
    <${Loaded} of=${loaded}>${({advertisers}) => html`
      <${Table} label=${t('menu.advertisers')} columns=${columns} rows=${advertisers} empty=${t('advertisers.none')} />`}<//>`;
}
