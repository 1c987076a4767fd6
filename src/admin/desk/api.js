// Calls of the API: with the session's cookie, and for whatever changes something the token that goes with it.
// A call that fails throws `Failed`, with the server's own words.

let csrf = '';

/** What the server said of a call that failed; status 0 where it could not be reached. */
export class Failed extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.faults = error.faults ?? [];
  }
}

/** Part of a path or query. */
export const part = encodeURIComponent;

/** Sends a call; resolves to `{value, etag}`, the value being JSON where the answer is. */
export async function call(method, path, {body, etag, type = 'application/json'} = {}) {
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = type;
  if (etag) headers['If-Match'] = etag;
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf;
  let answer;
  try {
    answer = await fetch(path, {method, headers, body, credentials: 'same-origin', cache: 'no-store'});
  } catch (fault) {
    throw new Failed(0, {code: 'unreachable', message: fault.message});
  }
  const text = await answer.text();
  const value = /[/+]json/.test(answer.headers.get('Content-Type')) ? JSON.parse(text) : text;
  if (answer.ok) return {value, etag: answer.headers.get('ETag'), text};
  if (answer.status === 401 && path !== 'login') dispatchEvent(new Event('signed-out'));
  throw new Failed(answer.status, value?.error ?? {code: 'failed', message: `${answer.status} ${answer.statusText}`});
}

/** The value of a call that only reads. */
export const get = async (path) => (await call('GET', path)).value;

/** A query from an object, without what is empty. */
export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

// Whether it is worth asking for a session; the cookie itself is kept from scripts.
const KNOWN = 'winback-signed-in';

/** The present session, `{role, csrf}`; none where nobody is signed in. */
export async function session() {
  if (!localStorage.getItem(KNOWN)) return null;
  try {
    return remember(await get('login'));
  } catch (failed) {
    if (failed.status !== 401) throw failed;
    localStorage.removeItem(KNOWN);
    return null;
  }
}

/** Signs in. */
export async function signIn(token) {
  return remember((await call('POST', 'login', {body: JSON.stringify({token})})).value);
}

/** Signs out. */
export async function signOut() {
  await call('POST', 'logout');
  forget();
}

/** There is no session any more. */
export function forget() {
  csrf = '';
  localStorage.removeItem(KNOWN);
}

function remember(session) {
  csrf = session.csrf;
  localStorage.setItem(KNOWN, '1');
  return session;
}
