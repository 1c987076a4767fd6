// How a campaign spends its day: what should be spent by each hour, and what is.

import {html} from './vendor/preact.js';
import {get, part} from './api.js';
import {date, money, percent, t} from './text.js';
import {Loaded, Tiles, useLoad} from './parts.js';
import {Chart} from './chart.js';

/** Figures of the campaign's day and its curve. */
export function Pacing({advertiser, campaign, turn = 0}) {
  const path = `api/advertisers/${part(advertiser)}/campaigns/${part(campaign)}/pacing`;
  const loaded = useLoad(() => get(path), [path, turn]);
  return html`<${Loaded} of=${loaded}>${(row) => html`<${Day} row=${row} />`}<//>`;
}

function Day({row}) {
  const show = (amount) => money(amount, row.currency);
  const {today} = row;
  return html`
    <${Tiles} of=${[
      [t('figure.spent-today'), show(today.spent), date(today.day)],
      [t('figure.allowance'), show(today.allowance), t(`pacing.${row.budget.pacing}`)],
      [t('figure.expected'), show(today.expected), t('pacing.multiplier', {n: percent(today.multiplier)})],
      [t('figure.spent'), show(row.spent), t('pacing.held', {n: show(row.held)})],
    ]} />
    <${Chart} title=${t('pacing.title', {zone: row.timezone})} at=${row.hours.map(({hour}) => hour)}
      name=${(hour) => t('pacing.by', {hour: String(hour + 1).padStart(2, '0')})}
      lines=${[
        {label: t('pacing.is'), values: row.hours.map(({spent}) => spent), show},
        {label: t('pacing.should'), values: row.hours.map(({expected}) => expected), show, dash: true},
      ]} />`;
}
