// The shop's tag: tells its winback server what shoppers do on the shop's pages.
//
// Assumes a browser with fetch and sendBeacon. Never throws into the page, reads no form and no text of it,
// and neither keeps nor sends anything before permission is known.
(function (w, d, settings) {
  'use strict';

  // How long a batch gathers events, and a page without a consent manager waits for one to appear.
  const GATHER_MS = 200;
  const MANAGER_MS = 500;
  // Events that wait at most, and characters that go together: what leaves with a page may have 64 KB.
  const QUEUE_MAX = 100;
  const CHARS_MAX = 16000;
  const RETRIES_MAX = 5;
  const DAY_S = 86400;
  const EVENTS = ['page_view', 'view_item_list', 'view_item', 'search', 'view_cart', 'add_to_cart', 'remove_from_cart',
    'add_to_wishlist', 'begin_checkout', 'purchase', 'refund', 'sign_up'];
  const AD_STORAGE = ['ad_storage', 'ad_user_data', 'ad_personalization'];
  const COOKIES = ['wb_fpid', 'wb_click', 'wb_told'];

  const before = w.winback;
  if (before && before.isLoaded) return;
  const script = d.currentScript;
  const data = script ? script.dataset : {};
  const own = script && /^(https?:.*)\/tag\.js/.exec(script.src);
  let base = data.url || (own ? own[1] : settings.url);
  let site = data.site;

  function warn(problem) {
    if (w.console) console.warn('winback: ' + problem);
  }

  function safely(act) {
    return function () {
      try {
        return act.apply(this, arguments);
      } catch (fault) {
        warn(fault);
      }
    };
  }

  // 128 random bits.
  function unique() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => (byte + 256).toString(16).slice(1)).join('');
  }

  // ---- cookies of the shop's own domain ----

  let domain;

  function read(name) {
    return (d.cookie.match('(?:^|; )' + name + '=([^;]*)') || [])[1];
  }

  function put(name, value, age, of) {
    d.cookie = name + '=' + value + ';path=/;samesite=lax;max-age=' + age + (of ? ';domain=' + of : '') +
      (location.protocol === 'https:' ? ';secure' : '');
  }

  // The widest domain that takes cookies: www. and checkout. are one shop. Browsers refuse public suffixes.
  function widest() {
    const labels = location.hostname.split('.');
    for (let at = labels.length - 2; at >= 0; at--) {
      const of = labels.slice(at).join('.');
      put('wb_probe', '1', 60, of);
      if (read('wb_probe')) {
        put('wb_probe', '', 0, of);
        return of;
      }
    }
    return '';
  }

  function keep(name, value, age) {
    if (domain === undefined) domain = widest();
    put(name, value, age, domain);
  }

  function forget() {
    queue.length = 0;
    COOKIES.filter(read).forEach(name => keep(name, '', 0));
  }

  // ---- permission ----

  // What the person's choice is, in the server's words.
  const consent = {};
  // Whether each source allows; undefined while it has not answered. The page itself answers once a consent
  // manager has had time to appear.
  const allowed = {gpc: !navigator.globalPrivacyControl, page: undefined};
  const modes = {};

  // Whether all allow; undefined while any is silent and none refuses.
  function verdict() {
    const answers = Object.keys(allowed).map(source => allowed[source]);
    return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
  }

  function settle(source, allows) {
    // A choice made anew is the server's to judge anew.
    delete allowed.server;
    allowed[source] = allows;
    if (verdict() === false) forget();
    else later();
  }

  // What the framework asks for events (IAB Europe's TCF: purposes 1 and 3). The server judges all of it.
  function grants(tc) {
    const purposes = (tc.purpose || {}).consents || {};
    const vendors = (tc.vendor || {}).consents || {};
    return !!((purposes[1] || tc.purposeOneTreatment) && purposes[3] && vendors[settings.vendor]);
  }

  const managers = {
    __tcfapi: () => w.__tcfapi('addEventListener', 2, safely((tc, isSound) => {
      if (!isSound || !tc || tc.eventStatus === 'cmpuishown') return;
      consent.gdpr = tc.gdprApplies === false ? 0 : 1;
      consent.gdpr_consent = tc.tcString;
      settle('__tcfapi', tc.gdprApplies === false || grants(tc));
    })),
    __gpp: () => w.__gpp('addEventListener', safely(event => {
      const ping = event && event.pingData;
      if (!ping || ping.signalStatus !== 'ready') return;
      consent.gpp = ping.gppString;
      consent.gpp_sid = (ping.applicableSections || []).join(',');
      settle('__gpp', true);
    })),
    __uspapi: () => w.__uspapi('getUSPData', 1, safely((said, isSound) => {
      if (isSound && said) consent.us_privacy = said.uspString;
      settle('__uspapi', !/^..y/i.test(consent.us_privacy || ''));
    }))
  };

  // Asks every manager that has appeared; whether there is any.
  function ask() {
    const there = Object.keys(managers).filter(name => typeof w[name] === 'function');
    there.filter(name => !(name in allowed)).forEach(name => {
      allowed[name] = undefined;
      managers[name]();
    });
    return there.length > 0;
  }

  // Google's Consent Mode. What is denied by default waits for an update; where the visitor is is not known
  // here, so a region's default holds everywhere.
  function consentMode(action, states) {
    AD_STORAGE.filter(key => states[key]).forEach(key => {
      if (action === 'update') modes[key] = modes['of a region ' + key] = states[key];
      else modes[(states.region ? 'of a region ' : '') + key] = states[key];
    });
    const isDenied = Object.keys(modes).some(key => modes[key] === 'denied');
    settle('mode', isDenied ? (action === 'update' ? false : undefined) : true);
  }

  // ---- events ----

  const landed = (/[?&]wb_click=([\w-]+)/.exec(location.search) || [])[1];
  const queue = [];
  let seen;

  function text(value) {
    return value === undefined || value === null || value === '' ? undefined : String(value);
  }

  function number(value, form) {
    return form.test(value) ? String(value) : undefined;
  }

  function item(of) {
    const levels = ['', 2, 3, 4, 5].map(level => text(of['item_category' + level]));
    return {
      item_id: String(of.item_id),
      quantity: number(of.quantity, /^[1-9]\d*$/),
      price: number(of.price, /^\d+(\.\d+)?$/),
      item_category: text(levels.filter(level => level).join(' > ')),
      item_brand: text(of.item_brand),
      item_variant: text(of.item_variant)
    };
  }

  // An address may carry anything behind its path: only that far it is told.
  function record(name, said) {
    if (typeof name !== 'string') return warn('an event needs a name');
    said = said || {};
    if (name === 'page_view') {
      const page = location.href.split('#')[0];
      if (page === seen) return;
      seen = page;
    }
    queue.push({
      event: name,
      event_id: text(said.event_id) || unique(),
      items: Array.from(said.items || []).filter(of => of && text(of.item_id)).slice(0, settings.items).map(item),
      value: number(said.value, /^\d+(\.\d+)?$/),
      currency: text(said.currency),
      transaction_id: text(said.transaction_id),
      channel: text(said.channel),
      url: text(said.url) || location.origin + location.pathname
    });
    if (queue.length > QUEUE_MAX) queue.shift();
    later();
  }

  // An entry of the data layer: gtag's arguments, or Tag Manager's object with `ecommerce`.
  const heard = safely(entry => {
    if (!entry) return;
    if (entry[0] === 'consent' && entry[2]) consentMode(entry[1], entry[2]);
    const isGtag = entry[0] === 'event';
    const name = isGtag ? entry[1] : entry.event;
    if (EVENTS.includes(name)) record(name, isGtag ? entry[2] : entry.ecommerce || entry);
  });

  function tap(name) {
    const layer = w[name] = w[name] || [];
    if (!Array.isArray(layer)) return;
    layer.slice().forEach(heard);
    const push = layer.push;
    layer.push = function () {
      const length = push.apply(this, arguments);
      Array.from(arguments).forEach(heard);
      return length;
    };
  }

  // ---- sending ----

  let person;
  let flight;
  let timer;
  let retries = 0;

  function later(ms) {
    if (timer && !ms) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      send();
    }, ms || GATHER_MS);
  }

  function body(events) {
    person = person || read('wb_fpid') || unique();
    const click = landed || read('wb_click');
    const clicked = events.map(event => Object.assign({click_id: click}, event));
    return JSON.stringify({user: {first_party_id: person}, consent: consent, events: clicked});
  }

  // The next batch; one event at least.
  function take() {
    let chars = 0;
    const over = queue.findIndex(event => (chars += JSON.stringify(event).length) > CHARS_MAX);
    return queue.splice(0, over < 0 ? queue.length : Math.max(over, 1));
  }

  const send = safely(isLeaving => {
    ask();
    if (!site || verdict() !== true) return;
    const to = base + '/e/' + encodeURIComponent(site);
    // Where a request cannot outlive its page, what is under way goes once more.
    if (isLeaving && flight && !('keepalive' in Request.prototype)) queue.unshift.apply(queue, flight);
    while (isLeaving && queue.length) {
      const leaving = take();
      if (navigator.sendBeacon(to, body(leaving))) continue;
      queue.unshift.apply(queue, leaving);
      return;
    }
    if (flight || !queue.length) return;
    flight = take();
    // Text needs no preflight.
    fetch(to, {method: 'POST', body: body(flight), credentials: 'include', keepalive: true}).then(answer => {
      if (answer.status >= 500 || answer.status === 429) throw answer.status;
      return answer.json().catch(() => ({error: {message: 'status ' + answer.status}}));
    }).then(answered, again);
  });

  const answered = safely(answer => {
    flight = undefined;
    retries = 0;
    const rejected = answer.rejected || [];
    if (rejected.some(fault => fault.pointer === '/consent')) {
      settle('server', false);
      return;
    }
    rejected.forEach(fault => warn(fault.pointer + ': ' + fault.problem));
    if (answer.error) warn(answer.error.message);
    else permitted();
    if (queue.length) later();
  });

  // The same events go once more: by their `event_id` they count once.
  const again = safely(() => {
    queue.unshift.apply(queue, flight);
    flight = undefined;
    if (retries++ < RETRIES_MAX) later(500 << retries);
  });

  // The server has taken events: only now is anything kept here, and are exchanges told, once a day.
  function permitted() {
    if (verdict() !== true) return;
    if (settings.refresh || !read('wb_fpid')) keep('wb_fpid', person, settings.age);
    if (landed) keep('wb_click', landed, settings.click);
    if (!settings.sync || read('wb_told')) return;
    keep('wb_told', '1', DAY_S);
    const query = Object.keys(consent).filter(key => text(consent[key]) !== undefined)
      .map(key => key + '=' + encodeURIComponent(consent[key])).join('&');
    const frame = d.createElement('iframe');
    frame.src = base + '/sync' + (query && '?' + query);
    frame.title = '';
    frame.style.display = 'none';
    frame.setAttribute('aria-hidden', 'true');
    d.body.appendChild(frame);
  }

  // ---- the page ----

  const commands = {
    init: (key, options) => {
      site = key;
      base = (options && options.url) || base;
      later();
    },
    consent: choice => settle('shop', {granted: true, denied: false}[choice]),
    event: (event, said) => typeof event === 'string' ? record(event, said) : record(event.event, event)
  };

  function command(name) {
    if (name && typeof name === 'object') record(name.event, name);
    else (commands[name] || record).apply(null, commands[name] ? [].slice.call(arguments, 1) : arguments);
  }

  function start() {
    const waiting = Array.isArray(before) ? before : (before && before.q) || [];
    const winback = w.winback = safely(command);
    winback.isLoaded = true;
    winback.push = safely(call => command.apply(null, call.length ? call : [call]));
    record('page_view');
    Array.from(waiting).forEach(winback.push);
    if (data.layer !== '') tap(data.layer || 'dataLayer');

    ['pushState', 'replaceState'].forEach(name => {
      const go = history[name];
      history[name] = function () {
        const gone = go.apply(this, arguments);
        safely(record)('page_view');
        return gone;
      };
    });
    w.addEventListener('popstate', safely(() => record('page_view')));

    const appeared = safely(() => {
      ask();
      settle('page', true);
    });
    if (allowed.gpc === false) return settle('gpc', false);
    if (ask()) appeared();
    else if (d.readyState === 'complete') setTimeout(appeared, MANAGER_MS);
    else w.addEventListener('load', () => setTimeout(appeared, MANAGER_MS));

    const leave = safely(() => {
      if (allowed.page === undefined && d.readyState === 'complete') appeared();
      send(true);
    });
    w.addEventListener('pagehide', leave);
    d.addEventListener('visibilitychange', () => d.visibilityState === 'hidden' && leave());
    w.addEventListener('online', () => later());
  }

  // A page that is only rendered ahead has no visitor yet.
  if (d.prerendering) d.addEventListener('prerenderingchange', safely(start), {once: true});
  else safely(start)();
})(window, document, '@settings@');
