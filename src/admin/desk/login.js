// Signing in with the token that the server wrote into a file.

import {html, useState} from './vendor/preact.js';
import {signIn} from './api.js';
import {t} from './text.js';
import {Failure, Field, Title} from './parts.js';

/** Asks for a token; tells `onWho` the session that it opened. */
export function Login({onWho}) {
  const [token, setToken] = useState('');
  const [error, setError] = useState();
  const send = async (event) => {
    event.preventDefault();
    setError(undefined);
    try {
      onWho(await signIn(token.trim()));
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<main id="main" class="narrow">
    <${Title} text=${t('login.title')} />
    <form onSubmit=${send}>
      <${Field} label=${t('login.token')} hint=${t('login.hint')}>
        <input type="password" name="token" autocomplete="current-password" required value=${token}
          onInput=${(event) => setToken(event.currentTarget.value)} /><//>
      <button class="main">${t('login.send')}</button>
    </form>
    ${error && html`<${Failure} error=${error} />`}
  </main>`;
}
