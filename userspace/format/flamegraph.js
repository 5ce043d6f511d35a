// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * flamegraph.js - zoom, search and keys for the picture of flamegraph_svg.c. The
 * picture is whole without it: what is drawn is read back from the document, and
 * names are only ever handled as text. Nothing is loaded, evaluated or animated.
 *
 * A node is a number: its place in the document, which is preorder.
 */
(() => {
'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const HTML = 'http://www.w3.org/1999/xhtml';
const SPOT_LINE = 18; // pixels of the panel's line for the hottest expression
const SMALLEST_PIXELS = 0.4; // narrower nodes are not shown
const SMALLEST_TEXT = 22; // pixels that a node must have for text
const TEXT_MARGIN = 8;

const picture = document.documentElement;
const area = document.getElementById('area');
const frames = document.getElementById('frames');
const truth = document.getElementById('truth');
const total = Number(frames.dataset.total);
const levels = Number(frames.dataset.depth);
const levelHeight = Number(frames.dataset.level);
const areaY = Number(area.getAttribute('y'));
const hasSpots = 'spots' in frames.dataset;
const PANEL_HEIGHT = 82 + (hasSpots ? SPOT_LINE : 0);

const nodes = Array.from(frames.querySelectorAll(':scope > svg'), (element) => ({
	element,
	start: Number(element.getAttribute('data-x')),
	samples: Number(element.getAttribute('data-n')),
	depth: Number(element.getAttribute('data-d')),
	text: element.querySelector('text'),
	parent: 0,
	placed: '', // what its place was last set to
	shown: true,
	pixels: -1, // the width that its text was last cut for
}));
const numberOf = new Map(nodes.map((node, i) => [node.element, i]));

for (let i = 1, above = [0]; i < nodes.length; i++) {
	above.length = nodes[i].depth;
	nodes[i].parent = above[nodes[i].depth - 1];
	above[nodes[i].depth] = i;
}

const state = { zoom: 0, flipped: false, search: '', current: 0, matches: [] };

// ---- words ----

const nameOf = (i) => titleOf(i)[0];
const titleOf = (i) => nodes[i].element.querySelector('title').textContent.split('\n');
const percent = (part, whole) => (whole ? (part * 100) / whole : 0).toFixed(2) + ' %';
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

// "f (/usr/lib/a.py:3)" as "f (a.py:3)".
const labelOf = (name) => name.replace(/^(.*?) \((.*)\/([^/]*)$/, '$1 ($3');

// "f (a.py:3)" as its function and what stands in the last parenthesis.
function splitName(name) {
	const found = /^(.*?) \((.*)\)$/.exec(name);
	return found ? [found[1], found[2]] : [name, ''];
}

function describe(i) {
	const node = nodes[i];
	const [kind] = titleOf(i)[1].split(', ');
	const self = Number(node.element.getAttribute('data-self') || 0);
	const where = splitName(nameOf(i))[1];
	const facts = [];
	if (where && (kind === 'Python' || kind === 'native'))
		facts.push(where);
	facts.push(kind, count(node.samples) + (node.samples === 1 ? ' sample' : ' samples'), percent(node.samples, total) + ' of all');
	if (state.zoom && inside(i, state.zoom))
		facts.push(percent(node.samples, nodes[state.zoom].samples) + ' of the zoom');
	facts.push(percent(self, total) + ' itself');
	return facts;
}

// The hottest expressions of its line, as "61.0 % TEXT", or where it is.
function spotsOf(i) {
	return titleOf(i).slice(2).map((line) => line.replace(/^([\d.]+ %) \S+ (.+)$/, '$1 $2'));
}

// ---- layout ----

function inside(i, ancestor) {
	return nodes[i].depth >= nodes[ancestor].depth && nodes[i].start >= nodes[ancestor].start &&
		nodes[i].start + nodes[i].samples <= nodes[ancestor].start + nodes[ancestor].samples && i >= ancestor;
}

function isAbove(i, descendant) {
	return i < descendant && nodes[i].depth < nodes[descendant].depth && inside(descendant, i);
}

const areaWidth = () => area.width.baseVal.value;

const measure = (() => {
	const context = document.createElementNS(HTML, 'canvas').getContext('2d');
	const widths = new Map();
	context.font = '12px ' + getComputedStyle(picture).fontFamily;
	return (text) => {
		let width = widths.get(text);
		if (width === undefined)
			widths.set(text, width = context.measureText(text).width);
		return width;
	};
})();

// As much of the text as fits, with a sign that there is more.
function cutText(text, pixels) {
	if (measure(text) <= pixels)
		return text;
	const characters = Array.from(text);
	let least = 0, most = characters.length;
	while (least < most) {
		const middle = (least + most + 1) >> 1;
		if (measure(characters.slice(0, middle).join('') + '…') <= pixels)
			least = middle;
		else
			most = middle - 1;
	}
	return least > 1 ? characters.slice(0, least).join('') + '…' : '';
}

function drawText(node, pixels) {
	if (node.pixels === pixels)
		return;
	node.pixels = pixels;
	if (pixels < SMALLEST_TEXT) {
		if (node.text)
			node.text.setAttribute('display', 'none');
		return;
	}
	if (!node.text) {
		node.text = document.createElementNS(SVG, 'text');
		node.text.setAttribute('x', 4);
		node.text.setAttribute('y', 13);
		node.element.append(node.text);
	}
	node.label = node.label || labelOf(node.element.querySelector('title').textContent.split('\n')[0]);
	node.text.textContent = cutText(node.label, pixels - TEXT_MARGIN);
	node.text.removeAttribute('display');
}

function place(node, x, width, pixels) {
	const shown = width * pixels / 100 >= SMALLEST_PIXELS;
	if (shown !== node.shown) {
		node.shown = shown;
		if (shown)
			node.element.removeAttribute('display');
		else
			node.element.setAttribute('display', 'none');
	}
	if (!shown)
		return;
	const placed = x + ' ' + width;
	if (placed !== node.placed) {
		node.placed = placed;
		node.element.setAttribute('x', x + '%');
		node.element.setAttribute('width', width + '%');
	}
	drawText(node, Math.floor(width * pixels / 100));
}

function draw() {
	const pixels = areaWidth();
	const zoomed = nodes[state.zoom];
	for (let i = 0; i < nodes.length; i++) {
		const node = nodes[i];
		const above = isAbove(i, state.zoom);
		node.element.classList.toggle('above', above);
		if (above)
			place(node, 0, 100, pixels);
		else if (inside(i, state.zoom))
			place(node, (node.start - zoomed.start) * 100 / zoomed.samples, node.samples * 100 / zoomed.samples, pixels);
		else
			place(node, 0, 0, pixels);
	}
}

function drawLevels() {
	for (const node of nodes)
		node.element.setAttribute('y', (state.flipped ? levels - 1 - node.depth : node.depth) * levelHeight);
}

// ---- the panel ----

function element(name, attributes, ...children) {
	const made = document.createElementNS(HTML, name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children);
	return made;
}

const input = element('input', { id: 'search', type: 'search', placeholder: 'Search (regular expression)',
	'aria-label': 'Search frames', spellcheck: 'false', autocomplete: 'off' });
const matched = element('span', { id: 'matched', role: 'status' });
const previous = element('button', { id: 'previous', type: 'button', title: 'Previous match (N)', 'aria-label': 'Previous match' }, '‹');
const next = element('button', { id: 'next', type: 'button', title: 'Next match (n)', 'aria-label': 'Next match' }, '›');
const reset = element('button', { id: 'reset', type: 'button', title: 'Show everything (Esc)' }, 'Reset');
const flip = element('button', { id: 'flip', type: 'button', title: 'Turn upside down (i)', 'aria-pressed': 'false' }, 'Flip');
const helpButton = element('button', { id: 'help-button', type: 'button', title: 'Keys (?)', 'aria-label': 'Help', 'aria-expanded': 'false' }, '?');
const nameLine = element('div', { id: 'name' });
const factsLine = element('div', { id: 'facts' });
const spotsLine = element('div', { id: 'spots' });
const help = element('div', { id: 'help', role: 'dialog', 'aria-label': 'Keys', hidden: '' });
const panel = element('div', { id: 'panel' },
	element('div', { id: 'tools', role: 'toolbar', 'aria-label': 'Flame graph' },
		input, previous, next, matched, element('span', { id: 'gap' }), reset, flip, helpButton),
	element('div', { id: 'details', 'aria-live': 'polite' }, nameLine, factsLine, ...(hasSpots ? [spotsLine] : [])), help);
const holder = document.createElementNS(SVG, 'foreignObject');

function buildHelp() {
	const keys = [
		['click, Enter', 'zoom into a frame; its callers stay, faded'],
		['Esc', 'leave the search, then the zoom'],
		['/ or Ctrl-F', 'search; a word in lower case matches any case'],
		['n, N', 'next and previous match'],
		['arrows', 'go to a caller, a callee or a neighbour'],
		['Home', 'go to the frame that is zoomed'],
		['i', 'turn the picture upside down'],
		['?', 'show or hide this'],
	];
	const list = element('dl', {});
	for (const [key, text] of keys)
		list.append(element('dt', {}, key), element('dd', {}, text));
	help.append(list);
}

function showHelp(shown) {
	help.hidden = !shown;
	helpButton.setAttribute('aria-expanded', String(shown));
	holder.setAttribute('height', shown ? PANEL_HEIGHT + 240 : PANEL_HEIGHT);
}

function showDetails(i) {
	if (i === null) {
		const zoomed = state.zoom !== 0;
		nameLine.textContent = zoomed ? 'Zoomed: ' + nameOf(state.zoom) :
			total ? 'Point at a frame to read it, click to zoom, / to search, ? for keys' : '';
		factsLine.textContent = zoomed ? describe(state.zoom).join(' · ') : '';
		spotsLine.textContent = zoomed ? spotsOf(state.zoom).join('   ') : '';
		nameLine.classList.toggle('hint', !zoomed);
		return;
	}
	nameLine.classList.remove('hint');
	nameLine.textContent = splitName(nameOf(i))[0];
	if (nodes[i].depth < 2 || titleOf(i)[1].startsWith('thread'))
		nameLine.textContent = nameOf(i);
	factsLine.textContent = describe(i).join(' · ');
	spotsLine.textContent = spotsOf(i).join('   ');
}

// The panel stays in sight when a deep picture is scrolled.
function floatPanel() {
	const floating = window.scrollY > areaY;
	holder.setAttribute('y', floating ? window.scrollY : areaY);
	panel.classList.toggle('floating', floating);
}

function buildPanel() {
	buildHelp();
	holder.setAttribute('width', '100%');
	holder.setAttribute('height', PANEL_HEIGHT);
	panel.style.height = PANEL_HEIGHT + 'px';
	holder.setAttribute('overflow', 'visible');
	holder.append(panel);
	area.setAttribute('y', areaY + PANEL_HEIGHT);
	truth.setAttribute('transform', 'translate(0 ' + PANEL_HEIGHT + ')');
	picture.setAttribute('height', Number(picture.getAttribute('height')) + PANEL_HEIGHT);
	picture.append(holder);
	floatPanel();
}

// ---- search ----

// A regular expression, or the text itself when it is none. Case counts when a capital is searched for.
function patternOf(text) {
	const flags = /[A-Z]/.test(text.replace(/\\./g, '')) ? 'u' : 'iu';
	for (const source of [text, text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')]) {
		try {
			return { pattern: new RegExp(source, flags), literal: source !== text };
		} catch (error) {
			continue;
		}
	}
	return null;
}

// Samples of the nodes that match inside a node; what is called by a match is counted with it.
function samplesMatched(ancestor) {
	let samples = 0, end = -1;
	for (const i of state.matches) {
		if (!inside(i, ancestor) && !isAbove(i, ancestor))
			continue;
		if (isAbove(i, ancestor))
			return nodes[ancestor].samples;
		if (nodes[i].start >= end) {
			samples += nodes[i].samples;
			end = nodes[i].start + nodes[i].samples;
		}
	}
	return samples;
}

function showMatched() {
	previous.disabled = next.disabled = !state.matches.length;
	previous.hidden = next.hidden = !state.search;
	matched.textContent = '';
	matched.title = '';
	if (!state.search)
		return;
	let text = 'matched ' + percent(samplesMatched(0), total);
	if (state.zoom)
		text += ', ' + percent(samplesMatched(state.zoom), nodes[state.zoom].samples) + ' of zoom';
	matched.textContent = text;
	matched.title = count(state.matches.length) + (state.matches.length === 1 ? ' frame' : ' frames');
}

function search(text) {
	state.search = text;
	state.matches = [];
	const found = text ? patternOf(text) : null;
	for (let i = 0; i < nodes.length; i++) {
		const match = Boolean(found) && found.pattern.test(nameOf(i));
		nodes[i].element.classList.toggle('match', match);
		if (match)
			state.matches.push(i);
	}
	frames.classList.toggle('searching', Boolean(text));
	input.classList.toggle('literal', Boolean(found && found.literal));
	input.title = found && found.literal ? 'Not a regular expression: searched for as it stands' : '';
	if (input.value !== text)
		input.value = text;
	showMatched();
}

function goToMatch(step) {
	const seen = state.matches.filter((i) => nodes[i].shown);
	if (!seen.length)
		return;
	let at = step > 0 ? seen.findIndex((i) => i > state.current) : seen.findLastIndex((i) => i < state.current);
	if (at < 0)
		at = step > 0 ? 0 : seen.length - 1;
	goTo(seen[at]);
}

// ---- zoom, keys ----

// What is seen is in the address, so that a link shows the same and Back leaves a zoom.
function remember(push) {
	const hash = new URLSearchParams();
	if (state.zoom)
		hash.set('zoom', state.zoom);
	if (state.search)
		hash.set('search', state.search);
	if (state.flipped)
		hash.set('flip', 1);
	const address = '#' + hash;
	if (address === (location.hash || '#'))
		return;
	try {
		history[push ? 'pushState' : 'replaceState'](null, '', address);
	} catch (error) {
		return; // a picture inside another page has no address of its own
	}
}

function recall() {
	const hash = new URLSearchParams(location.hash.slice(1));
	const zoom = Number(hash.get('zoom'));
	state.zoom = Number.isInteger(zoom) && zoom > 0 && zoom < nodes.length ? zoom : 0;
	state.flipped = hash.has('flip');
	search(hash.get('search') || '');
	showAll();
}

function showAll() {
	if (nodes.length) {
		drawLevels();
		draw();
	}
	reset.disabled = !state.zoom;
	flip.setAttribute('aria-pressed', String(state.flipped));
	showMatched();
	showDetails(null);
}

function zoomTo(i) {
	state.zoom = i;
	state.current = i;
	draw();
	reset.disabled = !i;
	showMatched();
	showDetails(null);
	remember(true);
}

function turn() {
	state.flipped = !state.flipped;
	flip.setAttribute('aria-pressed', String(state.flipped));
	drawLevels();
	remember(false);
}

// One frame at a time can be reached by Tab; arrows move on from it.
function setCurrent(i) {
	nodes[state.current].element.removeAttribute('tabindex');
	state.current = i;
	nodes[i].element.setAttribute('tabindex', 0);
	nodes[i].element.setAttribute('role', 'button');
	nodes[i].element.setAttribute('aria-label', [splitName(nameOf(i))[0], ...describe(i), ...spotsOf(i)].join(', '));
}

function goTo(i) {
	setCurrent(i);
	nodes[i].element.focus({ preventScroll: true });
	// The panel covers what lies right below the window's top edge.
	const box = nodes[i].element.getBoundingClientRect();
	if (box.top < PANEL_HEIGHT + levelHeight)
		window.scrollBy(0, box.top - PANEL_HEIGHT - 3 * levelHeight);
	else if (box.bottom > window.innerHeight)
		window.scrollBy(0, box.bottom - window.innerHeight + 3 * levelHeight);
}

function widestChild(parent) {
	let widest = -1;
	for (let i = parent + 1; i < nodes.length && nodes[i].depth > nodes[parent].depth; i++)
		if (nodes[i].parent === parent && nodes[i].shown && (widest < 0 || nodes[i].samples > nodes[widest].samples))
			widest = i;
	return widest;
}

function neighbour(from, step) {
	for (let i = from + step; i > 0 && i < nodes.length; i += step)
		if (nodes[i].depth === nodes[from].depth && nodes[i].shown)
			return i;
	return -1;
}

function move(key) {
	const up = state.flipped ? 'ArrowDown' : 'ArrowUp';
	let to = -1;
	if (key === 'ArrowLeft' || key === 'ArrowRight')
		to = neighbour(state.current, key === 'ArrowLeft' ? -1 : 1);
	else if (key === up)
		to = state.current ? nodes[state.current].parent : -1;
	else
		to = widestChild(state.current);
	if (to >= 0)
		goTo(to);
}

function escape() {
	if (!help.hidden)
		showHelp(false);
	else if (state.search) {
		search('');
		remember(false);
	} else if (state.zoom)
		zoomTo(0);
	input.blur();
}

const frameOf = (target) => {
	const node = target.closest ? target.closest('#frames > svg') : null;
	return node ? numberOf.get(node) : null;
};

const keys = {
	'/': () => input.select(),
	n: () => goToMatch(1),
	N: () => goToMatch(-1),
	i: turn,
	'?': () => showHelp(help.hidden),
	Home: () => goTo(state.zoom),
	Escape: escape,
};

function onKey(event) {
	if ((event.ctrlKey || event.metaKey) && event.key === 'f' && document.activeElement !== input) {
		event.preventDefault();
		input.select();
		return;
	}
	if (event.ctrlKey || event.metaKey || event.altKey || !nodes.length)
		return;
	if (event.target === input) {
		if (event.key === 'Enter')
			goToMatch(event.shiftKey ? -1 : 1), input.focus();
		else if (event.key === 'Escape')
			escape();
		else
			return;
		event.preventDefault();
		return;
	}
	const frame = frameOf(event.target);
	if ((event.key === 'Enter' || event.key === ' ') && frame !== null)
		zoomTo(frame);
	else if (event.key.startsWith('Arrow') && frame !== null)
		move(event.key);
	else if (Object.hasOwn(keys, event.key))
		keys[event.key]();
	else
		return;
	event.preventDefault();
}

function listen() {
	frames.addEventListener('click', (event) => {
		const i = frameOf(event.target);
		if (i !== null) {
			zoomTo(i);
			setCurrent(i);
		}
	});
	frames.addEventListener('mouseover', (event) => showDetails(frameOf(event.target)));
	frames.addEventListener('mouseleave', () => showDetails(null));
	// On the document: an SVG element that listens for focus takes it.
	document.addEventListener('focusin', (event) => showDetails(frameOf(event.target)));
	document.addEventListener('focusout', () => showDetails(null));
	input.addEventListener('input', () => {
		search(input.value);
		remember(false);
	});
	previous.addEventListener('click', () => goToMatch(-1));
	next.addEventListener('click', () => goToMatch(1));
	reset.addEventListener('click', () => zoomTo(0));
	flip.addEventListener('click', turn);
	helpButton.addEventListener('click', () => showHelp(help.hidden));
	document.addEventListener('keydown', onKey);
	window.addEventListener('scroll', floatPanel, { passive: true });
	window.addEventListener('hashchange', recall);
	window.addEventListener('popstate', recall);
	let pending = 0;
	window.addEventListener('resize', () => {
		cancelAnimationFrame(pending);
		pending = requestAnimationFrame(() => nodes.length && draw());
	});
}

buildPanel();
if (nodes.length) {
	frames.setAttribute('role', 'group');
	frames.setAttribute('aria-label', 'Flame graph of ' + count(total) + ' samples');
	listen();
	setCurrent(0);
} else {
	input.disabled = flip.disabled = helpButton.disabled = true;
}
recall();
})();
