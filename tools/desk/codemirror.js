// What the editor is made of, as the desk's pages import it.
export {autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion} from '@codemirror/autocomplete';
export {defaultKeymap, history, historyKeymap, indentWithTab} from '@codemirror/commands';
export {json} from '@codemirror/lang-json';
export {HighlightStyle, bracketMatching, foldGutter, foldKeymap, syntaxHighlighting, syntaxTree} from '@codemirror/language';
export {lintGutter, lintKeymap, setDiagnostics} from '@codemirror/lint';
export {highlightSelectionMatches, searchKeymap} from '@codemirror/search';
export {EditorState} from '@codemirror/state';
export {EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers} from '@codemirror/view';
export {tags} from '@lezer/highlight';
