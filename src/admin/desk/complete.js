// What may stand at a place of the JSON, by its schema: the keys of an object with what they mean, and the values that a key
// may have.

import {syntaxTree} from './vendor/codemirror.js';

const text = (state, node) => state.doc.sliceString(node.from, node.to);

function unquote(raw) {
  try { return JSON.parse(raw); } catch { return raw.replace(/^"|"$/g, ''); }
}

/** The keys that lead to a node, from the outermost; a place in a list is a number. */
function path(state, node) {
  const keys = [];
  for (let at = node; at?.parent; at = at.parent) {
    if (at.name === 'Property') keys.unshift(unquote(text(state, at.firstChild)));
    if (at.parent.name === 'Array' && at.name !== '[' && at.name !== ']') keys.unshift(0);
  }
  return keys;
}

/** A schema without its references, and every form that it allows. */
function forms(root, schema) {
  if (!schema || typeof schema !== 'object') return [];
  if (schema.$ref) {
    const to = schema.$ref.replace(/^#\/?/, '').split('/').reduce((at, key) => (key ? at?.[key] : at), root);
    return forms(root, to);
  }
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...inner.flatMap((form) => forms(root, form))];
}

/** The forms of what stands at the end of a path. */
function at(root, keys) {
  let found = forms(root, root);
  for (const key of keys) {
    const next = (form) => {
      if (key === 0) return form.items ?? form.prefixItems?.[0];
      return form.properties?.[key] ?? (typeof form.additionalProperties === 'object' ? form.additionalProperties : undefined);
    };
    found = found.flatMap((form) => forms(root, next(form)));
  }
  return found;
}

function keyOptions(root, state, object) {
  const present = object.getChildren('Property').map((property) => unquote(text(state, property.firstChild)));
  const known = at(root, path(state, object)).flatMap((form) => Object.entries(form.properties ?? {}).map(([key, of]) => ({
    label: key, of, required: form.required?.includes(key) ?? false,
  })));
  const told = new Map(known.filter(({label}) => !present.includes(label)).map((option) => [option.label, option]));
  return [...told.values()].map(({label, of, required}) => ({
    label,
    type: 'property',
    detail: required ? '*' : undefined,
    info: forms(root, of).find((form) => form.description)?.description,
    apply: `"${label}": `,
    boost: required ? 1 : 0,
  }));
}

function valueOptions(root, keys) {
  const values = at(root, keys).flatMap((form) => {
    if (form.enum) return form.enum;
    if (form.const !== undefined) return [form.const];
    return form.type === 'boolean' ? [true, false] : [];
  });
  return [...new Set(values)].map((value) => ({label: String(value), type: 'enum', apply: JSON.stringify(value)}));
}

/** A source of completions by a schema. */
export function completions(schema) {
  return ({state, pos, explicit}) => {
    const node = syntaxTree(state).resolveInner(pos, -1);
    const word = ['String', 'PropertyName', 'Number', 'True', 'False', 'Null'].includes(node.name) ? node : null;
    const outer = word ? word.parent : node;
    // A text that was begun and does not end is no node of the tree.
    const isBroken = node.name === '⚠' && node.parent?.name === 'Object';
    const isKey = ['PropertyName', 'Object', '{'].includes(node.name) || isBroken;
    if (!word && !explicit && !isBroken) return null;
    const [from, to] = word ? [word.from, word.to] : isBroken ? [node.from, pos] : [pos, pos];
    if (isKey) {
      const object = closest(node, 'Object');
      if (!object) return null;
      // What has its colon keeps it.
      const hasColon = node.name === 'PropertyName' && /^\s*:/.test(state.sliceDoc(to, to + 8));
      const options = matching(keyOptions(schema, state, object), state.sliceDoc(from, pos));
      return {from, to, filter: false, options: options.map((option) => (
        hasColon ? {...option, apply: JSON.stringify(option.label)} : option))};
    }
    const keys = outer?.name === 'Array' ? [...path(state, outer), 0] : path(state, outer);
    return {from, to, filter: false, options: matching(valueOptions(schema, keys), state.sliceDoc(from, pos))};
  };
}

function closest(node, name) {
  for (let found = node; found; found = found.parent) if (found.name === name) return found;
  return null;
}

function matching(options, written) {
  const wanted = written.replace(/"/g, '').toLowerCase();
  return options.filter(({label}) => label.toLowerCase().includes(wanted));
}
