// Components and their templates, as the desk's pages import them.
import {h} from 'preact';
import htm from 'htm';

export {h, render} from 'preact';
export {useCallback, useEffect, useRef, useState} from 'preact/hooks';
export const html = htm.bind(h);
