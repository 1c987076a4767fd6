// A campaign's ads as shoppers see them. An ad is loaded when it is asked for, as its pictures come from the shop.

import {html, useState} from './vendor/preact.js';
import {part, query} from './api.js';
import {t, word} from './text.js';
import {Choice, Field} from './parts.js';

// Of ads that have no size of their own.
const CARD = [340, 480];

/** Looks at each of these creatives. */
export function Ads({advertiser, creatives}) {
  const [chosen, setChosen] = useState(creatives[0]?.id);
  const creative = creatives.find(({id}) => id === chosen);
  if (!creative) return null;
  return html`<section aria-labelledby="ads"><h2 id="ads">${t('ads.title')}</h2>
    <div class="row filters"><label class="field"><span>${t('ads.creative')}</span><${Choice} label=${t('ads.creative')} value=${chosen}
      onChange=${setChosen} of=${creatives.map(({id, format}) => [id, `${id} (${word('value', format)})`])} /></label></div>
    <${Ad} key=${chosen} advertiser=${advertiser} creative=${creative} /></section>`;
}

function Ad({advertiser, creative}) {
  const [size, setSize] = useState(creative.sizes[0] ?? '');
  const [whose, setWhose] = useState('');
  const [shown, setShown] = useState();
  const show = (event) => {
    event.preventDefault();
    setShown(previewOf(advertiser, creative.id, {size, user: whose.trim()}));
  };
  return html`<form class="row filters" onSubmit=${show}>
      ${creative.sizes.length > 0 && html`<label class="field"><span>${t('ads.size')}</span>
        <${Choice} label=${t('ads.size')} value=${size} onChange=${setSize} of=${creative.sizes.map((size) => [size, size])} /></label>`}
      <${Field} label=${t('ads.user')}><input value=${whose} onInput=${(event) => setWhose(event.currentTarget.value)} /><//>
      <button>${t('ads.show')}</button>
    </form>
    ${shown && html`<${Preview} ...${shown} />`}`;
}

/** Where an ad is to be seen, and how large it is. */
export function previewOf(advertiser, creative, {size, user, product}) {
  const [w, h] = size ? size.split('x').map(Number) : CARD;
  return {src: `api/preview/${part(advertiser)}/${part(creative)}${query({size, user, product})}`, w, h, title: `${creative} ${size ?? ''}`};
}

/** An ad that is loaded once it is asked for. */
export function LaterPreview(ad) {
  const [isShown, setShown] = useState(false);
  return isShown ? html`<${Preview} ...${ad} />` : html`<button onClick=${() => setShown(true)}>${t('ads.show')}</button>`;
}

/** An ad in a frame, which may run nothing. */
export const Preview = ({src, w, h, title}) => html`<div class="scroll" role="region" tabindex="0" aria-label=${t('ads.preview', {title})}>
  <iframe class="ad" key=${src} src=${src} width=${w} height=${h} title=${t('ads.preview', {title})}
    sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe></div>`;
