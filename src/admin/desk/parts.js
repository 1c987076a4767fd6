// What pages are made of: loading, failures, tables, tiles, fields, questions. All text goes through the templates,
// which escape it.

import {html, useCallback, useEffect, useRef, useState} from './vendor/preact.js';
import {t} from './text.js';

/** Calls `load` at first and whenever one of `on` changes; an answer that was overtaken is dropped. */
export function useLoad(load, on) {
  const [state, setState] = useState({loading: true});
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((turn) => turn + 1), []);
  useEffect(() => {
    let isCurrent = true;
    setState((before) => ({...before, loading: true}));
    load().then(
      (data) => isCurrent && setState({data, loading: false}),
      (error) => isCurrent && setState({error, loading: false}),
    );
    return () => { isCurrent = false; };
  }, [...on, turn]);
  return {...state, again};
}

/** What was loaded, or that it is being, or why it cannot be. */
export function Loaded({of, children}) {
  if (of.error) return html`<${Failure} error=${of.error} again=${of.again} />`;
  if (of.data === undefined) return html`<p role="status" class="quiet loading">${t('loading')}</p>`;
  return html`<div aria-busy=${of.loading ? 'true' : 'false'}>${children(of.data)}</div>`;
}

/** Why something failed, in the server's words. */
export function Failure({error, again}) {
  const text = error.status === 0 ? t('unreachable') : error.message;
  return html`<div role="alert" class="note bad">
    <p>${text}</p>
    ${again && html`<button onClick=${again}>${t('again')}</button>`}
  </div>`;
}

/** Something to be known: good, bad or neither. */
export const Note = ({kind = '', children}) => html`<div role="status" class=${`note ${kind}`}>${children}</div>`;

/** The page's title, which also becomes the window's and takes the focus when the page is opened. */
export function Title({text, children}) {
  const heading = useRef();
  useEffect(() => { document.title = `${text} · winback`; }, [text]);
  useEffect(() => { heading.current.focus({preventScroll: true}); scrollTo(0, 0); }, []);
  return html`<div class="title"><h1 tabindex="-1" ref=${heading}>${text}</h1>${children}</div>`;
}

/** Figures side by side: `[label, figure, remark?]`. */
export const Tiles = ({of}) => html`<dl class="tiles">${of.map(([label, figure, remark]) => html`
  <div><dt>${label}</dt><dd>${figure}${remark && html`<small>${remark}</small>`}</dd></div>`)}</dl>`;

/**
 * A table. Columns are `{label, cell(row), num?, sort?}`; `sorted` is `{by, descending, to(by)}` where it can be sorted.
 */
export function Table({label, columns, rows, sorted, empty}) {
  if (rows.length === 0) return html`<p class="quiet">${empty ?? t('nothing')}</p>`;
  return html`<div class="scroll" role="region" tabindex="0" aria-label=${label}><table>
    <thead><tr>${columns.map((column) => html`<${Head} column=${column} sorted=${sorted} />`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${columns.map((column, at) => {
      const cell = column.cell(row);
      const kind = column.num ? 'num' : '';
      return at === 0 ? html`<th scope="row" class=${kind}>${cell}</th>` : html`<td class=${kind}>${cell}</td>`;
    })}</tr>`)}</tbody>
  </table></div>`;
}

function Head({column, sorted}) {
  const kind = column.num ? 'num' : '';
  if (!sorted || !column.sort) return html`<th scope="col" class=${kind}>${column.label}</th>`;
  const isBy = sorted.by === column.sort;
  const order = isBy ? (sorted.descending ? 'descending' : 'ascending') : 'none';
  return html`<th scope="col" class=${kind} aria-sort=${order}>
    <button class="sort" onClick=${() => sorted.to(column.sort)}>${column.label}</button></th>`;
}

/** A field with its label, and a hint below. */
export function Field({label, hint, children}) {
  return html`<label class="field"><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

/** A choice of words: `[value, label]`. */
export const Choice = ({value, of, onChange, label}) => html`<select aria-label=${label} value=${value}
  onChange=${(event) => onChange(event.currentTarget.value)}>
  ${of.map(([word, label]) => html`<option value=${word} selected=${word === value}>${label}</option>`)}</select>`;

/** How much of something is reached, as a bar with words. */
export const Bar = ({part, label}) => html`<span class="bar" role="img" aria-label=${label}>
  <span style=${{width: `${Math.max(0, Math.min(1, part || 0)) * 100}%`}}></span></span>`;

/** A button that does something that takes a while, and says why it could not. */
export function Act({label, act, kind = '', disabled}) {
  const [state, setState] = useState({});
  const run = async () => {
    setState({busy: true});
    try {
      await act();
      setState({});
    } catch (error) {
      setState({error});
    }
  };
  return html`<span class="act"><button class=${kind} disabled=${disabled || state.busy} onClick=${run}>${label}</button>
    ${state.error && html`<${Failure} error=${state.error} />`}</span>`;
}

/** Asks before something that cannot be taken back. */
export function Question({title, text, yes, onYes, onNo}) {
  const dialog = useRef();
  useEffect(() => { dialog.current.showModal(); }, []);
  return html`<dialog ref=${dialog} onClose=${onNo} aria-labelledby="question">
    <h2 id="question">${title}</h2><p>${text}</p>
    <div class="row"><${Act} kind="danger" label=${yes} act=${onYes} />
      <button onClick=${() => dialog.current.close()}>${t('cancel')}</button></div>
  </dialog>`;
}
