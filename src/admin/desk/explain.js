// Why a request gets a bid, or does not: of a request that is pasted, or of one made up for a shopper.

import {html, useEffect, useState} from './vendor/preact.js';
import {call, get, part, query} from './api.js';
import {t} from './text.js';
import {Act, Choice, Field, Loaded, Title, useLoad} from './parts.js';
import {Explained} from './explained.js';

const DEVICES = ['', 'mobile', 'desktop', 'tablet'];

export function Page({query: asked}) {
  const loaded = useLoad(() => get('api/exchanges'), []);
  return html`<${Title} text=${t('explain.title')} />
    <p class="quiet">${t('explain.hint')}</p>
    <${Loaded} of=${loaded}>${({exchanges}) => html`
      <${Form} exchanges=${exchanges.map(({exchange}) => exchange)} asked=${asked} />`}<//>`;
}

function Form({exchanges, asked}) {
  const [exchange, setExchange] = useState(asked.exchange ?? exchanges[0] ?? '');
  const [isRequest, setRequest] = useState(!asked.user);
  const [body, setBody] = useState('');
  const [wish, setWish] = useState({user: asked.user ?? '', size: '', domain: '', country: '', device: ''});
  const [told, setTold] = useState();
  const set = (key) => (event) => setWish({...wish, [key]: event.currentTarget.value});
  const ask = async () => {
    setTold(undefined);
    const path = `api/explain/${part(exchange)}`;
    const answer = isRequest ? await call('POST', path, {body}) : await call('GET', path + query(wish));
    setTold(answer.value);
  };
  useEffect(() => { if (asked.user) ask().catch(() => {}); }, []);
  const field = (key, label, hint) => html`<${Field} label=${label} hint=${hint}>
    <input name=${key} value=${wish[key]} onInput=${set(key)} /><//>`;
  const way = (is, label) => html`<label class="radio"><input type="radio" name="way" checked=${isRequest === is}
    onChange=${() => setRequest(is)} />${label}</label>`;
  return html`<form onSubmit=${(event) => event.preventDefault()}>
      <div class="row filters"><label class="field"><span>${t('exchanges.exchange')}</span><${Choice} label=${t('exchanges.exchange')}
        value=${exchange} onChange=${setExchange} of=${exchanges.map((id) => [id, id])} /></label>
        <fieldset class="row"><legend>${t('explain.way')}</legend>${way(true, t('explain.request'))}${way(false, t('explain.user'))}</fieldset></div>
      ${isRequest
    ? html`<${Field} label=${t('explain.body')} hint=${t('explain.body-hint')}><textarea name="body" rows="12" spellcheck=${false} value=${body}
          onInput=${(event) => setBody(event.currentTarget.value)}></textarea><//>`
    : html`<div class="fields">${field('user', t('users.id'), t('users.hint'))}${field('size', t('ads.size'), '300x250')}
          ${field('domain', t('explain.domain'))}${field('country', t('explain.country'))}
          <label class="field"><span>${t('by.device')}</span><${Choice} label=${t('by.device')} value=${wish.device}
            onChange=${(device) => setWish({...wish, device})} of=${DEVICES.map((device) => [device, device ? t(`value.${device}`) : t('explain.any')])} /></label>
        </div>`}
      <${Act} kind="main" label=${t('explain.ask')} disabled=${isRequest ? !body.trim() : !wish.user.trim()} act=${ask} />
    </form>
    ${told && html`<${Explained} told=${told} />`}`;
}
