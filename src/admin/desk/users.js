// What is kept of one shopper, in plain words, and its erasure.

import {html, useState} from './vendor/preact.js';
import {call, get, part, query} from './api.js';
import {list, money, number, t, when, word} from './text.js';
import {Field, Loaded, Note, Question, Table, Title, useLoad} from './parts.js';

export function Page({words: [id], who}) {
  const [text, setText] = useState(id ?? '');
  const look = (event) => {
    event.preventDefault();
    location.hash = `#/users/${part(text.trim())}`;
  };
  return html`<${Title} text=${t('users.title')} />
    <form class="row filters" onSubmit=${look}>
      <${Field} label=${t('users.id')}>
        <input type="search" name="id" required value=${text} onInput=${(event) => setText(event.currentTarget.value)} /><//>
      <button class="main">${t('users.look')}</button>
    </form>
    <p class="quiet">${t('users.hint')}</p>
    ${id && html`<${User} key=${id} id=${id} who=${who} />`}`;
}

function User({id, who}) {
  const loaded = useLoad(async () => {
    try {
      const [user, {advertisers}] = await Promise.all([get(`api/users/${part(id)}`), get('api/advertisers')]);
      return {user, shops: new Map(advertisers.map((shop) => [shop.id, shop]))};
    } catch (failed) {
      if (failed.code === 'user_not_found') return {};
      throw failed;
    }
  }, [id]);
  const [erased, setErased] = useState(false);
  if (erased) return html`<${Note} kind="good">${t('users.erased')}<//>`;
  return html`<${Loaded} of=${loaded}>${({user, shops}) => (user
    ? html`<p><a href=${`#/explain${query({user: id})}`}>${t('users.explain')}</a></p>
      <${Known} user=${user} shops=${shops} /><${Erase} id=${id} who=${who} onErased=${() => setErased(true)} />`
    : html`<${Note}>${t('users.unknown')}<//>`)}<//>`;
}

function Known({user, shops}) {
  const name = (id) => shops.get(id)?.name ?? id ?? t('users.gone');
  const zone = (id) => shops.get(id)?.timezone;
  const {permission} = user;
  const times = {};
  user.matches.forEach((namespace) => { times[namespace] = (times[namespace] ?? 0) + 1; });
  const shown = [
    {label: t('users.when'), cell: (row) => when(row.time, zone(row.advertiser))},
    {label: t('figure.campaign'), cell: (row) => `${name(row.advertiser)}: ${row.campaign ?? '–'}`},
    {label: t('users.paid'), cell: (row) => (row.billed ? t('yes') : t('no'))},
    {label: t('users.clicked'), cell: (row) => (row.clicked ? t('yes') : t('no'))},
  ];
  return html`
    <section aria-labelledby="who"><h2 id="who">${t('users.who')}</h2><ul>
      <li>${user.id ? t('users.own', {id: user.id}) : t('users.no-own')}</li>
      <li>${user.matches.length === 0 ? t('users.no-matches')
        : t('users.matches', {of: list(Object.entries(times).map(([namespace, n]) => (n > 1 ? `${namespace} (${n})` : namespace)))})}</li>
      <li>${permission ? t('users.permitted', {at: when(permission.at), by: word('signal', permission.by),
        uses: permission.uses.length > 0 ? list(permission.uses.map((use) => t(`use.${use}`))) : t('users.nothing-permitted')})
        : t('users.no-permission')}</li>
    </ul></section>
    ${user.advertisers.map((shop) => html`<${Shop} shop=${shop} name=${name(shop.id)} of=${shops.get(shop.id)} />`)}
    <section aria-labelledby="shown"><h2 id="shown">${t('users.shown')}</h2>
      <${Table} label=${t('users.shown')} columns=${shown} rows=${user.shown} empty=${t('users.none-shown')} /></section>`;
}

function Shop({shop, name, of}) {
  const columns = [
    {label: t('users.when'), cell: (row) => when(row.time, of?.timezone)},
    {label: t('users.event'), cell: (row) => word('event', row.event)},
    {label: t('users.item'), cell: (row) => row.item_id ?? '–'},
    {label: t('users.quantity'), num: true, cell: (row) => number(row.quantity)},
    {label: t('users.value'), num: true, cell: (row) => money(row.value, of?.currency)},
  ];
  return html`<section><h2>${t('users.at', {name})}</h2>
    <p>${t('users.ads', {n: number(shop.shown)})}</p>
    <${Table} label=${t('users.at', {name})} columns=${columns} rows=${shop.events} empty=${t('users.no-events')} /></section>`;
}

function Erase({id, who, onErased}) {
  const [isAsked, setAsked] = useState(false);
  if (who.role !== 'admin') return html`<${Note}>${t('users.admin-only')}<//>`;
  const erase = async () => {
    await call('DELETE', `api/users/${part(id)}`);
    onErased();
  };
  return html`<section aria-labelledby="erase"><h2 id="erase">${t('users.erase')}</h2><p>${t('users.erase-hint')}</p>
    <button class="danger" onClick=${() => setAsked(true)}>${t('users.erase')}</button>
    ${isAsked && html`<${Question} title=${t('users.sure')} text=${t('users.sure-text', {id})} yes=${t('users.erase-yes')}
      onYes=${erase} onNo=${() => setAsked(false)} />`}</section>`;
}
