// The editor of JSON: CodeMirror, in a shadow of its own, since the page's policy allows no styles but those of files,
// while sheets that a shadow adopts are no such styles.

import {
  EditorState, EditorView, HighlightStyle, autocompletion, bracketMatching, closeBrackets, closeBracketsKeymap, completionKeymap,
  defaultKeymap, drawSelection, foldGutter, foldKeymap, highlightActiveLine, highlightActiveLineGutter, highlightSelectionMatches,
  history, historyKeymap, json, keymap, lineNumbers, lintGutter, lintKeymap, searchKeymap, setDiagnostics, syntaxHighlighting, tags,
} from './vendor/codemirror.js';
import {completions} from './complete.js';

// Colours are the page's own, which a shadow inherits.
const LOOK = EditorView.theme({
  '&': {color: 'var(--ink)', backgroundColor: 'var(--paper)', fontSize: '14px'},
  '.cm-scroller': {maxHeight: '70vh', overflow: 'auto', fontFamily: 'ui-monospace, "Noto Sans Mono", monospace'},
  '.cm-content': {caretColor: 'var(--ink)'},
  '.cm-gutters': {backgroundColor: 'var(--sheet)', color: 'var(--quiet)', borderRight: '1px solid var(--edge)'},
  '.cm-activeLine, .cm-activeLineGutter': {backgroundColor: 'color-mix(in srgb, var(--line-1) 10%, transparent)'},
  '.cm-cursor': {borderLeftColor: 'var(--ink)'},
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {backgroundColor: 'color-mix(in srgb, var(--line-1) 35%, transparent) !important'},
  '.cm-tooltip, .cm-panels': {backgroundColor: 'var(--sheet)', color: 'var(--ink)', border: '1px solid var(--edge)'},
  '.cm-tooltip-autocomplete ul li[aria-selected]': {backgroundColor: 'var(--main)', color: 'var(--on-main)'},
  '.cm-completionInfo': {maxWidth: '24rem'},
});
const COLOURS = HighlightStyle.define([
  {tag: tags.propertyName, color: 'var(--line-1)'},
  {tag: tags.string, color: 'var(--good)'},
  {tag: [tags.number, tags.bool, tags.null], color: 'var(--line-2)'},
]);

/** Opens `text` in `place`; `changed` is told the text whenever it is edited. */
export function open(place, {text, schema, changed, isReadOnly, label}) {
  const root = place.attachShadow({mode: 'open'});
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), highlightActiveLineGutter(), history(), foldGutter(), drawSelection(), bracketMatching(), closeBrackets(),
        highlightActiveLine(), highlightSelectionMatches(), lintGutter(), json(), LOOK, syntaxHighlighting(COLOURS),
        autocompletion({override: [completions(schema)]}), EditorState.readOnly.of(isReadOnly),
        EditorView.contentAttributes.of({'aria-label': label, tabindex: '0'}), EditorView.lineWrapping,
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    mark: (faults) => view.dispatch(setDiagnostics(view.state, faults.map((fault) => diagnostic(view.state.doc, fault)))),
    go: (fault) => {
      view.dispatch({selection: {anchor: diagnostic(view.state.doc, fault).from}, scrollIntoView: true});
      view.focus();
    },
    close: () => view.destroy(),
  };
}

// From where a fault is to the end of its line; the text may have become shorter meanwhile.
function diagnostic(doc, fault) {
  const line = doc.line(Math.max(1, Math.min(fault.line || 1, doc.lines)));
  const from = Math.min(line.from + Math.max(0, (fault.column || 1) - 1), line.to);
  const message = [fault.message ?? fault.problem, fault.remedy].filter(Boolean).join('; ');
  return {from, to: line.to, severity: fault.warning ? 'warning' : 'error', message};
}
