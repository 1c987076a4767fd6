// An advertiser's JSON, edited: completed by the schema, checked by the server while one writes, its faults marked at
// their line, saved only over what was read.

import {html, useEffect, useRef, useState} from './vendor/preact.js';
import {call, get, part} from './api.js';
import {number, t} from './text.js';
import {Act, Failure, Loaded, Note, Title, useLoad} from './parts.js';
import {open} from './code.js';

const QUIET_MS = 600;

export function Page({words: [id], who}) {
  const path = `api/advertisers/${part(id)}`;
  const loaded = useLoad(async () => {
    const [file, schema] = await Promise.all([call('GET', path), get('api/schema?kind=advertiser')]);
    return {text: file.text, etag: file.etag, schema};
  }, [path]);
  return html`<${Title} text=${t('editor.title', {id})} />
    <p><a href="#/advertisers">${t('editor.all')}</a></p>
    <${Loaded} of=${loaded}>${(data) => html`
      <${Editor} key=${data.etag} path=${path} ...${data} who=${who} again=${loaded.again} />`}<//>`;
}

function Editor({path, text, etag, schema, who, again}) {
  const place = useRef();
  const code = useRef();
  const held = useRef(etag);
  const [faults, setFaults] = useState([]);
  const [said, setSaid] = useState({});
  const show = (found) => { setFaults(found); code.current.mark(found); };
  useEffect(() => {
    let timer;
    const check = async (text) => {
      try {
        const {faults, warnings} = (await call('POST', 'api/check?kind=advertiser', {body: text})).value;
        show([...faults, ...warnings.map((fault) => ({...fault, warning: true}))]);
      } catch (error) {
        setSaid({error});
      }
    };
    const changed = (text) => {
      setSaid({});
      clearTimeout(timer);
      timer = setTimeout(() => check(text), QUIET_MS);
    };
    code.current = open(place.current, {text, schema, changed, isReadOnly: who.role === 'read', label: t('editor.label')});
    if (who.role !== 'read') check(text);
    return () => { clearTimeout(timer); code.current.close(); };
  }, []);
  const save = async () => {
    setSaid({});
    try {
      const answer = await call('PUT', path, {body: code.current.text(), etag: held.current});
      held.current = answer.etag;
      setSaid({warnings: answer.value.warnings});
    } catch (error) {
      if (error.faults.length > 0) show(error.faults);
      setSaid({error});
    }
  };
  return html`
    <div ref=${place} class="editor"></div>
    <p class="quiet">${t('editor.keys')}</p>
    ${who.role === 'read' ? html`<${Note}>${t('read-only')}<//>` : html`<${Act} kind="main" label=${t('save')} act=${save} />`}
    ${said.error && html`<${Failure} error=${said.error} />`}
    ${said.error?.status === 412 && html`<button onClick=${again}>${t('editor.read-again')}</button>`}
    ${said.warnings && html`<${Note} kind="good">${t('saved')}<//>`}
    <section aria-labelledby="faults"><h2 id="faults">${t('editor.faults')}</h2>
      <${Faults} of=${faults} to=${(fault) => code.current.go(fault)} /></section>`;
}

function Faults({of, to}) {
  if (of.length === 0) return html`<p role="status" class="quiet">${t('editor.none')}</p>`;
  return html`<ul class="faults" role="status">${of.map((fault) => html`<li class=${`note ${fault.warning ? '' : 'bad'}`}>
    <button onClick=${() => to(fault)}>${t('editor.line', {n: number(fault.line)})}</button>
    <code>${fault.pointer}</code> ${fault.message ?? fault.problem}${fault.remedy && `; ${fault.remedy}`}</li>`)}</ul>`;
}
