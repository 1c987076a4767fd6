// Runs in the page that shows every ad. Frames are of its own origin and not sandboxed, so that text
// which became script can run and tell.
const findings = [];
function say(frame, kind, what) { findings.push({ frame, kind, what: String(what).slice(0, 200) }); }

addEventListener('load', () => {
  const frames = [...document.querySelectorAll('iframe')];
  frames.forEach(judge);
  document.getElementById('report').textContent = JSON.stringify({ frames: frames.length, findings });
});

function judge(frame) {
  const doc = frame.contentDocument, root = doc.documentElement, name = frame.name;
  const ad = { left: 0, top: 0, right: frame.clientWidth, bottom: frame.clientHeight };
  if (root.scrollWidth > ad.right || root.scrollHeight > ad.bottom) say(name, 'overflow', `scrolls: ${root.scrollWidth}x${root.scrollHeight}`);
  for (const img of doc.images) if (!img.hasAttribute('alt') || (!img.alt.trim() && img.width > 1)) say(name, 'alt', img.outerHTML);
  for (const a of doc.querySelectorAll('a[href]')) if (!/^(http:\/\/ads\.localhost:\d+\/click\/|https:\/\/choices\.example\/$)/.test(a.href)) say(name, 'link', a.href);
  for (const { name: url } of frame.contentWindow.performance.getEntriesByType('resource')) {
    const host = new URL(url).hostname;
    if (!/^(ads|pictures|logo|page)\.localhost$|^seen\.example$/.test(host) && !url.startsWith('data:')) say(name, 'request', host);
  }
  const leaves = [...doc.body.querySelectorAll('*')].filter(e => e.checkVisibility()).map(e => ({ e, boxes: seen(e, ad, what => say(name, 'overflow', `${label(e)} ${what}`)) }));
  overlaps(leaves.filter(leaf => leaf.boxes.length), (a, b) => say(name, 'overflow', `${label(a)} overlaps ${label(b)}`));
}

const label = e => `${e.tagName}.${e.className} "${(e.textContent || e.alt || '').trim().slice(0, 40)}"`;

// The boxes in which an element's own text or picture is seen; `flaw` is told of what is cut though
// nothing says that it may be.
function seen(e, ad, flaw) {
  const style = getComputedStyle(e);
  let boxes = e.tagName === 'IMG' ? (e.width > 1 ? [e.getBoundingClientRect()] : []) : lines(e, style);
  if (!boxes.length) return [];
  const whole = boxes;
  if (e.tagName !== 'IMG' && parseFloat(style.fontSize) < 7.5) flaw(`is small: ${style.fontSize}`);
  for (let box = e; box && box !== e.ownerDocument.documentElement; box = box.parentElement) {
    const s = getComputedStyle(box), edge = box.getBoundingClientRect();
    if (s.display === 'contents' || s.display === 'inline' || (s.overflowX === 'visible' && s.overflowY === 'visible')) continue;
    const shortened = s.textOverflow === 'ellipsis' || s.webkitLineClamp !== 'none';
    // What wraps out of sight of a single row was left out on purpose, whole.
    const drops = s.display === 'flex' && s.flexWrap === 'wrap';
    const inside = boxes.filter(b => !(drops || shortened) || b.top < edge.bottom - 2);
    if (!shortened) for (const b of inside) if (sticksOut(b, edge)) flaw(`is cut by ${box.tagName}.${box.className}: ${size(b)} in ${size(edge)}`);
    // A shortened text ends with a whole line.
    if (shortened) for (const b of inside) if (isHalved(b, edge)) flaw(`shows a part of a line: ${size(b)} in ${size(edge)}`);
    boxes = inside.map(b => clip(b, edge)).filter(b => b.right > b.left && b.bottom > b.top);
  }
  for (const b of boxes) if (sticksOut(b, ad)) flaw(`reaches out of the ad: ${size(b)}`);
  const widest = list => Math.max(0, ...list.map(b => b.right - b.left));
  if (boxes.length && widest(boxes) < Math.min(12, widest(whole))) flaw(`has no room: ${size(boxes[0])}`);
  return boxes;
}

// The lines of an element's own text, each as high as its line box: a font's own box may be higher
// than anything it draws.
function lines(e, style) {
  const boxes = [];
  for (const node of e.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE || !node.data.trim() || ['STYLE', 'SCRIPT', 'TITLE'].includes(e.tagName)) continue;
    const range = e.ownerDocument.createRange();
    range.selectNodeContents(node);
    const height = parseFloat(style.lineHeight) || Infinity;
    for (const r of range.getClientRects()) {
      const inset = Math.max(0, (r.height - height) / 2);
      if (r.width > 0) boxes.push({ left: r.left, right: r.right, top: r.top + inset, bottom: r.bottom - inset });
    }
  }
  return boxes;
}

const sticksOut = (b, edge) => b.left < edge.left - 1.5 || b.right > edge.right + 1.5 || b.top < edge.top - 1.5 || b.bottom > edge.bottom + 1.5;
const isHalved = (b, edge) => { const c = clip(b, edge), part = (c.bottom - c.top) / (b.bottom - b.top); return part > 0.1 && part < 0.8; };
const clip = (b, edge) => ({ left: Math.max(b.left, edge.left), right: Math.min(b.right, edge.right), top: Math.max(b.top, edge.top), bottom: Math.min(b.bottom, edge.bottom) });
const size = b => [b.left, b.top, b.right, b.bottom].map(Math.round).join(',');

// Nothing lies on anything else, but the badge on its picture.
function overlaps(leaves, flaw) {
  leaves.forEach((a, i) => leaves.slice(i + 1).forEach(b => {
    const isBadge = e => e.closest('.wb-sale');
    if (isBadge(a.e) ? b.e.tagName === 'IMG' : isBadge(b.e) && a.e.tagName === 'IMG') return;
    const cross = (x, y) => Math.min(x.right, y.right) - Math.max(x.left, y.left) > 2 && Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top) > 2;
    if (a.boxes.some(x => b.boxes.some(y => cross(x, y)))) flaw(a.e, b.e);
  }));
}
