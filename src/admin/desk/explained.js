// What explain told: who the request is about, the stages, every campaign and the rule that dropped it, the price line by
// line, the ad, and what the exchange would refuse.

import {html} from './vendor/preact.js';
import {number, t, when, word} from './text.js';
import {Table} from './parts.js';
import {LaterPreview, previewOf} from './ads.js';

/** All of an explanation. */
export function Explained({told}) {
  const isBid = told.outcome === 'bid';
  return html`<div role="status">
    <p class=${`verdict ${isBid ? 'good' : 'bad'}`}><b>${isBid ? t('explain.bid') : t('explain.no-bid')}</b> ${told.sentence}
      ${told.reason && html`<small>${told.reason}</small>`}</p></div>
    ${told.exchange_would_reject.length > 0 && html`<section><h2>${t('explain.rejects')}</h2>
      <ul>${told.exchange_would_reject.map((line) => html`<li>${line}</li>`)}</ul></section>`}
    ${told.assumed && html`<details><summary>${t('explain.assumed')}</summary>
      <ul>${told.assumed.map((line) => html`<li>${line}</li>`)}</ul></details>`}
    ${told.identity && html`<${Identity} of=${told.identity} />`}
    <${Stages} rows=${told.stages} />
    <${Campaigns} rows=${told.campaigns} />
    ${told.pricing.map((of) => html`<${Price} of=${of} />`)}
    ${told.ads.map((ad) => html`<${Ad} ad=${ad} />`)}
    ${told.bid && html`<${Raw} label=${t('explain.answer')} value=${told.bid} />`}
    ${told.request && html`<${Raw} label=${t('explain.made-up')} value=${told.request} />`}`;
}

const Raw = ({label, value}) => html`<details><summary>${label}</summary>
  <pre class="scroll" role="region" tabindex="0" aria-label=${label}>${JSON.stringify(value, null, 2)}</pre></details>`;

function Identity({of}) {
  const columns = [
    {label: t('explain.field'), cell: (row) => html`<code>${row.field}</code>`},
    {label: t('explain.led-to'), cell: (row) => html`${row.sentence} <small>${row.led_to}</small>`},
    {label: t('explain.matched-at'), cell: (row) => when(row.matched_at)},
  ];
  return html`<section><h2>${t('explain.identity')}</h2><p>${of.sentence} <small>${of.result}</small></p>
    ${of.forbidden_by && html`<p>${of.forbidden_by.sentence} <small>${of.forbidden_by.signal}</small></p>`}
    <${Table} label=${t('explain.identity')} columns=${columns} rows=${of.ids} empty=${t('explain.no-ids')} /></section>`;
}

function Stages({rows}) {
  const columns = [
    {label: t('funnel.stage'), cell: (row) => word('stage', row.stage)},
    {label: t('explain.us'), num: true, cell: (row) => number(row.us, 1)},
    {label: t('explain.further'), num: true, cell: (row) => number(row.campaigns)},
    {label: t('explain.ended'), cell: (row) => row.ended ?? '–'},
  ];
  return html`<section><h2>${t('explain.stages')}</h2><${Table} label=${t('explain.stages')} columns=${columns} rows=${rows} /></section>`;
}

function Campaigns({rows}) {
  const columns = [
    {label: t('figure.campaign'), cell: (row) => `${row.advertiser}/${row.campaign}`},
    {label: t('funnel.stage'), cell: (row) => word('stage', row.stage)},
    {label: t('explain.why'), cell: (row) => html`${row.detail} ${row.reason && html`<small>${row.reason}</small>`}`},
  ];
  return html`<section><h2>${t('menu.campaigns')}</h2>
    <${Table} label=${t('menu.campaigns')} columns=${columns} rows=${rows} empty=${t('explain.no-campaigns')} /></section>`;
}

function Price({of}) {
  const columns = [
    {label: t('explain.step'), cell: (row) => row.line},
    {label: t('explain.cpm'), num: true, cell: (row) => number(row.cpm, 9)},
  ];
  const title = t(of.won ? 'explain.price' : 'explain.price-lost', {campaign: `${of.advertiser}/${of.campaign}`});
  return html`<section><h2>${title}</h2><${Table} label=${title} columns=${columns} rows=${of.steps} /></section>`;
}

function Ad({ad}) {
  const columns = [
    {label: t('explain.product'), cell: (row) => html`${row.title} <small>${row.item_id}</small>`},
    {label: t('explain.product-price'), num: true, cell: (row) => row.price},
    {label: t('explain.because'), cell: (row) => row.because},
  ];
  const title = t('explain.ad', {imp: ad.impid, creative: `${ad.advertiser}/${ad.creative}`});
  const shown = previewOf(ad.advertiser, ad.creative, {size: ad.size, product: ad.products[0]?.item_id});
  return html`<section><h2>${title}</h2>
    <p>${t('explain.offered', {price: number(ad.price, 9), format: word('value', ad.format), size: ad.size ?? '–'})}</p>
    <${Table} label=${title} columns=${columns} rows=${ad.products} empty=${t('explain.brand-ad')} />
    <${LaterPreview} ...${shown} /></section>`;
}
