// The frame of the desk: which page an address is of, who is signed in, and the way to the other pages.
// A page is a module with the component `Page`, loaded when it is first opened.

import {html, render, useEffect, useState} from './vendor/preact.js';
import {forget, session, signOut} from './api.js';
import {choose, language, languages, load, t} from './text.js';
import {Choice, Failure} from './parts.js';
import {Login} from './login.js';

// By the first word of the address; the words after it are the page's own.
const PAGES = {
  overview: () => import('./overview.js'),
  campaigns: () => import('./campaigns.js'),
  campaign: () => import('./campaign.js'),
  advertisers: () => import('./advertisers.js'),
  editor: () => import('./editor.js'),
  users: () => import('./users.js'),
  feeds: () => import('./feeds.js'),
  exchanges: () => import('./exchanges.js'),
  explain: () => import('./explain.js'),
};
const MENU = ['overview', 'campaigns', 'advertisers', 'users', 'feeds', 'exchanges', 'explain'];
// Pages that are reached from one of the menu.
const UNDER = {campaign: 'campaigns', editor: 'advertisers'};

/** The address: `#/page/word/word?key=value`. */
function address() {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, ...words] = path.split('/').map(decodeURIComponent);
  return {page: page || 'overview', words, query: Object.fromEntries(new URLSearchParams(search ?? ''))};
}

function useAddress() {
  const [at, setAt] = useState(address);
  useEffect(() => {
    const heard = () => setAt(address());
    addEventListener('hashchange', heard);
    return () => removeEventListener('hashchange', heard);
  }, []);
  return at;
}

function Shown({at, who}) {
  const [loaded, setLoaded] = useState({});
  useEffect(() => {
    const open = PAGES[at.page];
    if (!open) { setLoaded({of: at.page, error: {message: t('no-page')}}); return; }
    open().then(({Page}) => setLoaded({of: at.page, Page}), (error) => setLoaded({of: at.page, error}));
  }, [at.page]);
  if (loaded.error) return html`<${Failure} error=${loaded.error} />`;
  if (loaded.of !== at.page) return html`<p role="status" class="quiet loading">${t('loading')}</p>`;
  return html`<${loaded.Page} key=${[at.page, ...at.words].join('/')} words=${at.words} query=${at.query} who=${who} />`;
}

function Languages({again}) {
  const change = async (tag) => { await choose(tag); again(); };
  return html`<${Choice} label=${t('language')} value=${language} onChange=${change}
    of=${languages.map((tag) => [tag, new Intl.DisplayNames(tag, {type: 'language'}).of(tag)])} />`;
}

function Desk() {
  const at = useAddress();
  const [who, setWho] = useState();
  const [error, setError] = useState();
  const [, again] = useState(0);
  useEffect(() => {
    session().then((found) => setWho(found), setError);
    const out = () => { forget(); setWho(null); };
    addEventListener('signed-out', out);
    return () => removeEventListener('signed-out', out);
  }, []);
  if (error) return html`<main><${Failure} error=${error} /></main>`;
  if (who === undefined) return null;
  const tongues = html`<${Languages} again=${() => again((n) => n + 1)} />`;
  if (who === null) return html`<header><span class="brand">winback</span>${tongues}</header><${Login} onWho=${setWho} />`;
  const present = UNDER[at.page] ?? at.page;
  const link = (page) => html`<a href=${`#/${page}`} aria-current=${page === present ? 'page' : undefined}>${t(`menu.${page}`)}</a>`;
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t('skip')}</a>
    <header>
      <a class="brand" href="#/overview">winback</a>
      <nav aria-label=${t('menu')}>${MENU.map(link)}</nav>
      <div class="row">
        ${tongues}
        <button onClick=${() => signOut().catch(forget).then(() => setWho(null))} title=${t(`role.${who.role}`)}>${t('sign-out')}</button>
      </div>
    </header>
    <main id="main" tabindex="-1" key=${language}><${Shown} at=${at} who=${who} /></main>`;
}

// The address says which page it is, so that a jump must not change it.
function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

await load();
render(html`<${Desk} />`, document.getElementById('desk'));
