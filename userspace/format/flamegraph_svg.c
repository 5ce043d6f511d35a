/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flame graph as one SVG file that needs nothing else. What is written here is
 * the whole picture, legible without its script: each node is an <svg> of its own,
 * placed in percent, so that the picture follows the window's width and each text
 * is cut where its node ends. The script (flamegraph.js) reads the nodes back and
 * adds zoom, search and keys. Names reach the page as text only, never as script.
 *
 *	<svg class="KIND SHADE" x y width height data-x data-n data-d [data-self]>
 *
 * data-x: first sample (all siblings side by side), data-n: samples, data-d:
 * depth, data-self: samples that end here. The first line of <title> is the name, the
 * second what it is, each further one an expression of its line, the hottest first:
 * its part of the node, LINE:COLUMN-LINE:COLUMN as Python's dis writes it (columns
 * from 0, in bytes), and its text where it is known. Nodes are in preorder.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "format/format.h"
#include "format/output.h"
#include "format/xml.h"
#include "profile/call_tree.h"
#include "profile/id_index.h"
#include "profile/partition.h"

/* assets.S */
extern const char flamegraph_css[], flamegraph_js[];

/* Nodes that are narrower than this part of the picture are not drawn: less than a pixel on most screens. */
#define SMALLEST_PART 2000
/* And never more nodes than a browser opens at once. */
#define MAX_NODES 30000
/* Below this part of the width no text would be seen; the script adds it when there is room. */
#define SMALLEST_TEXT_PART 100

/* Expressions that a tooltip shows; of the rest it says how many they are. */
#define MAX_SPOTS 6

/* Of each side, so that the picture needs no script to follow the window. */
#define MARGIN	   "1%"
#define AREA_WIDTH "98%"

/* Pixels. */
#define HEADER	     102
#define LEVEL	     18
#define FOOTER_LINE  17
#define FOOTER_WIDTH 92 /* characters: what 600 pixels hold */

struct picture {
	const struct profile *profile;
	const struct truth *truth;
	const struct call_tree *tree;
	u64 *starts; /* by node: the samples to its left */
	u64 smallest; /* samples of the smallest node that is drawn */
	u32 depth; /* levels that are drawn, the root's included */
	u32 drawn, hidden;
	struct strbuf footer; /* its lines */
	u32 footer_lines;
	struct strbuf out;
	FILE *stream;
};

/* 1,234,567 */
static void count_put(struct strbuf *b, u64 count)
{
	char digits[24];
	int size = snprintf(digits, sizeof(digits), "%llu", count);

	for (int i = 0; i < size; i++) {
		if (i && (size - i) % 3 == 0)
			strbuf_put_char(b, ',');
		strbuf_put_char(b, digits[i]);
	}
}

static double percent_of(u64 part, u64 whole)
{
	return whole ? (double)part * 100 / (double)whole : 0;
}

/* What is written so far goes out in large pieces; the first error ends it. */
static int picture_flush(struct picture *p, size_t at_least)
{
	if (p->out.failed)
		return -ENOMEM;
	if (p->out.size < at_least)
		return 0;
	int err = output_put(p->stream, p->out.at, p->out.size);
	strbuf_clear(&p->out);
	return err;
}

/* ---- which nodes, and where ---- */

static u32 picture_count(const struct picture *p, u64 smallest)
{
	u32 cnt = 0;

	for (u32 i = 0; i < call_tree_cnt(p->tree); i++)
		cnt += call_tree_at(p->tree, i)->total >= smallest;
	return cnt;
}

/* Children side by side from their parent's left edge, in the order of the tree. */
static void picture_place_children(struct picture *p, u32 parent)
{
	u64 start = p->starts[parent];

	for (u32 i = call_tree_at(p->tree, parent)->first_child; i; i = call_tree_at(p->tree, i)->next_sibling) {
		p->starts[i] = start;
		start += call_tree_at(p->tree, i)->total;
	}
}

static int picture_plan(struct picture *p)
{
	u64 total = call_tree_at(p->tree, 0)->total;

	p->smallest = (total + SMALLEST_PART - 1) / SMALLEST_PART;
	if (!p->smallest)
		p->smallest = 1;
	while ((p->drawn = picture_count(p, p->smallest)) > MAX_NODES)
		p->smallest += p->smallest / 2 + 1;
	p->hidden = total ? call_tree_cnt(p->tree) - p->drawn : 0;

	p->starts = calloc(call_tree_cnt(p->tree), sizeof(*p->starts));
	if (!p->starts)
		return -ENOMEM;
	/* A parent's number is always less than its children's. */
	for (u32 i = 0; i < call_tree_cnt(p->tree); i++) {
		const struct call_node *node = call_tree_at(p->tree, i);

		picture_place_children(p, i);
		if (node->total >= p->smallest && node->depth + 1 > p->depth)
			p->depth = node->depth + 1;
	}
	if (!p->depth)
		p->depth = 2; /* room to say that there is nothing */
	return 0;
}

/* ---- one node ---- */

static u32 text_shade(const char *text, u32 seed)
{
	u64 hash = seed;

	while (*text)
		hash = id_hash(hash, (unsigned char)*text++);
	return hash % 3;
}

static const char *kind_class(const struct call_node *node, const struct frame *frame)
{
	static const char *const classes[FRAME_KIND_CNT] = {
		[FRAME_PYTHON] = "p", [FRAME_NATIVE] = "n", [FRAME_KERNEL] = "k",
		[FRAME_LOSS] = "l",   [FRAME_MARK] = "l",
	};

	switch (node->kind) {
	case NODE_ROOT:
		return "r";
	case NODE_PLACE:
		return "o";
	case NODE_PROCESS:
		return "c";
	case NODE_THREAD:
		return "t";
	default:
		return classes[frame->kind];
	}
}

static const char *kind_word(const struct call_node *node, const struct frame *frame)
{
	static const char *const words[FRAME_KIND_CNT] = {[FRAME_PYTHON] = "Python",
							  [FRAME_NATIVE] = "native",
							  [FRAME_KERNEL] = "kernel",
							  [FRAME_LOSS] = "missing",
							  [FRAME_MARK] = "a mark"};

	switch (node->kind) {
	case NODE_ROOT:
		return "everything";
	case NODE_PLACE:
		return "container or unit";
	case NODE_PROCESS:
		return "process";
	case NODE_THREAD:
		return "thread";
	default:
		return words[frame->kind];
	}
}

/* Functions of one file share a hue, and differ in lightness from their neighbours. */
static u32 node_shade(const struct picture *p, const struct frame *frame)
{
	const struct string_table *strings = profile_tables_of(p->profile)->strings;

	return 3 * text_shade(string_table_at(strings, frame->file), 1) +
	       text_shade(string_table_at(strings, frame->function), 2);
}

/* "f (/usr/lib/a.py:3)" as "f (a.py:3)": in a box there is no room for directories. */
static void label_put(struct strbuf *b, const char *name)
{
	const char *open = strstr(name, " (");
	const char *slash = open ? strrchr(open, '/') : NULL;

	if (slash) {
		xml_put_size(b, name, (size_t)(open - name) + 2);
		xml_put(b, slash + 1);
	} else {
		xml_put(b, name);
	}
}

static void spot_put(struct picture *p, const struct call_node *node, const struct call_spot *spot)
{
	const struct profile_tables *tables = profile_tables_of(p->profile);
	const struct frame *frame = frame_table_get(tables->frames, spot->frame);
	struct strbuf *b = &p->out;

	strbuf_printf(b, "\n%.1f %% %u:%u-%u:%u", percent_of(spot->samples, node->total), frame->line, frame->column,
		      frame->end_line, frame->end_column);
	if (frame->text == STRING_EMPTY)
		return;
	strbuf_put_char(b, ' ');
	xml_put(b, string_table_at(tables->strings, frame->text));
}

static void node_put_spots(struct picture *p, u32 i)
{
	const struct call_node *node = call_tree_at(p->tree, i);
	u32 cnt = node->spot_cnt > MAX_SPOTS ? MAX_SPOTS - 1 : node->spot_cnt;

	for (u32 k = 0; k < cnt; k++)
		spot_put(p, node, call_tree_spot(p->tree, i, k));
	if (cnt < node->spot_cnt)
		strbuf_printf(&p->out, "\nand %u more", node->spot_cnt - cnt);
}

static void node_put_title(struct picture *p, u32 i, const struct frame *frame)
{
	const struct call_node *node = call_tree_at(p->tree, i);
	struct strbuf *b = &p->out;

	strbuf_put(b, "<title>");
	xml_put(b, node->text);
	strbuf_printf(b, "\n%s, ", kind_word(node, frame));
	count_put(b, node->total);
	strbuf_printf(b, " sample%s, %.2f %%", node->total == 1 ? "" : "s",
		      percent_of(node->total, call_tree_at(p->tree, 0)->total));
	if (node->self && node->self != node->total) {
		strbuf_put(b, ", itself ");
		count_put(b, node->self);
	}
	node_put_spots(p, i);
	strbuf_put(b, "</title>");
}

static void node_put(struct picture *p, u32 i)
{
	const struct call_node *node = call_tree_at(p->tree, i);
	const struct frame *frame = node->kind == NODE_FRAME
					    ? frame_table_get(profile_tables_of(p->profile)->frames, node->frame)
					    : NULL;
	u64 total = call_tree_at(p->tree, 0)->total;
	struct strbuf *b = &p->out;

	strbuf_printf(b, "<svg class=\"%s", kind_class(node, frame));
	if (frame && !frame_is_bracketed(frame))
		strbuf_printf(b, " s%u", node_shade(p, frame));
	strbuf_printf(
		b,
		"\" x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%u\" data-x=\"%llu\" data-n=\"%llu\" data-d=\"%u\"",
		percent_of(p->starts[i], total), node->depth * LEVEL, percent_of(node->total, total), LEVEL - 1,
		p->starts[i], node->total, node->depth);
	if (node->self)
		strbuf_printf(b, " data-self=\"%llu\"", node->self);
	strbuf_put(b, "><rect width=\"100%\" height=\"100%\">");
	node_put_title(p, i, frame);
	strbuf_put(b, "</rect>");
	if (node->total * SMALLEST_TEXT_PART >= total) {
		strbuf_put(b, "<text x=\"4\" y=\"13\">");
		label_put(b, node->text);
		strbuf_put(b, "</text>");
	}
	strbuf_put(b, "</svg>\n");
}

/* The next node in preorder that is drawn; 0 when there is none left. */
static u32 picture_next(const struct picture *p, u32 i)
{
	u32 next = call_tree_at(p->tree, i)->first_child;

	for (;;) {
		for (; next; next = call_tree_at(p->tree, next)->next_sibling)
			if (call_tree_at(p->tree, next)->total >= p->smallest)
				return next;
		if (!i)
			return 0;
		next = call_tree_at(p->tree, i)->next_sibling;
		i = call_tree_at(p->tree, i)->parent;
	}
}

static int picture_put_nodes(struct picture *p)
{
	u64 total = call_tree_at(p->tree, 0)->total;
	u32 i = 0;

	strbuf_printf(&p->out,
		      "<svg id=\"area\" x=\"%s\" y=\"%u\" width=\"%s\" height=\"%u\">\n"
		      "<g id=\"frames\" data-total=\"%llu\" data-depth=\"%u\" data-level=\"%u\"%s>\n",
		      MARGIN, HEADER, AREA_WIDTH, p->depth * LEVEL, total, p->depth, LEVEL,
		      call_tree_has_spots(p->tree) ? " data-spots=\"\"" : "");
	if (!total)
		strbuf_put(&p->out,
			   "<text id=\"empty\" y=\"20\">No samples: nothing that was watched used a CPU.</text>\n");
	while (total) {
		node_put(p, i);
		int err = picture_flush(p, 1 << 16);
		if (err)
			return err;
		i = picture_next(p, i);
		if (!i)
			break;
	}
	strbuf_put(&p->out, "</g>\n</svg>\n");
	return 0;
}

/* ---- what stands around them ---- */

static void start_time_put(const struct truth *truth, struct strbuf *b)
{
	char time[RFC3339_SIZE];

	if (!truth->start_realtime_ns)
		return;
	clock_format_rfc3339(truth->start_realtime_ns, time, sizeof(time));
	strbuf_printf(b, "%.10s %.8s UTC · ", time, time + 11);
}

/* Of a profile that was read from a file some of it is not known. */
static void span_put(const struct truth *truth, struct strbuf *b)
{
	if (truth->seconds > 0 || !truth->from_file)
		strbuf_printf(b, "%.1f s ", truth->seconds);
	if (truth->hz || !truth->from_file)
		strbuf_printf(b, "at %u Hz ", truth->hz);
	if (truth->cpus || !truth->from_file)
		strbuf_printf(b, "on %u CPU%s", truth->cpus, truth->cpus == 1 ? "" : "s");
}

/* The place that all samples were taken in, NULL: in several. On a host without containers that needs no saying. */
static const char *picture_place(const struct picture *p)
{
	const struct profile_tables *tables = profile_tables_of(p->profile);
	const char *place = NULL;

	for (size_t i = 0; i < profile_cnt(p->profile); i++) {
		const struct profile_entry *entry = profile_at(p->profile, i);
		const char *name = origin_place_name(tables, profile_origin_at(p->profile, entry->origin));

		if (place && strcmp(place, name))
			return NULL;
		place = name;
	}
	return place && (p->truth->whole_samples || strcmp(place, PLACE_NAME_HOST)) ? place : NULL;
}

static void picture_put_subject(struct picture *p)
{
	const struct call_node *first = call_tree_at(p->tree, call_tree_at(p->tree, 0)->first_child);
	bool one_process = first->kind == NODE_PROCESS && !first->next_sibling;
	const char *place = picture_place(p);

	strbuf_put(&p->out, "pyprof-bpf: CPU flame graph");
	if (one_process) {
		strbuf_put(&p->out, " of ");
		xml_put(&p->out, first->text);
	}
	if (place) {
		strbuf_put(&p->out, one_process ? " in " : " of ");
		xml_put(&p->out, place);
	}
}

static void picture_put_summary(struct picture *p)
{
	const struct truth *truth = p->truth;
	u64 lost = truth_lost(truth);
	struct strbuf *b = &p->out;

	count_put(b, truth->samples);
	strbuf_put(b, truth->samples == 1 ? " sample" : " samples");
	if (truth->samples)
		strbuf_printf(b, " · %.2f %% complete", truth_percent(truth_complete(truth), truth->samples));
	strbuf_put(b, " · ");
	if (lost)
		count_put(b, lost);
	strbuf_put(b, lost && truth->whole_samples ? " lost of the whole run"
		      : lost			   ? " lost"
		      : truth->losses_unknown	   ? "losses not known"
						   : "nothing lost");
	if (truth->samples && !truth->from_file)
		strbuf_printf(b, " · %.1f µs per sample", truth_us_per_sample(truth));
}

static bool tree_has(const struct call_tree *tree, enum node_kind kind)
{
	for (u32 i = call_tree_at(tree, 0)->first_child; i; i = call_tree_at(tree, i)->next_sibling)
		if (call_tree_at(tree, i)->kind == kind)
			return true;
	return false;
}

static void picture_put_legend(struct picture *p)
{
	static const struct {
		const char *classes, *text;
		u32 width;
		enum node_kind root; /* only where this is at the root */
	} entries[] = {
		{"o", "container, unit", 122, NODE_PLACE}, {"c", "process", 76, NODE_ROOT},
		{"p s4", "Python", 72, NODE_ROOT},	   {"n s4", "native", 68, NODE_ROOT},
		{"k s4", "kernel", 68, NODE_ROOT},	   {"l", "missing", 74, NODE_ROOT},
	};
	u32 x = 0;

	strbuf_printf(&p->out, "<svg id=\"legend\" x=\"%s\" overflow=\"visible\">", MARGIN);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		if (entries[i].root != NODE_ROOT && !tree_has(p->tree, entries[i].root))
			continue;
		strbuf_printf(&p->out,
			      "<svg class=\"%s\" x=\"%u\" y=\"77\" width=\"12\" height=\"12\">"
			      "<rect width=\"100%%\" height=\"100%%\"/></svg><text class=\"note\" x=\"%u\" "
			      "y=\"87\">%s</text>",
			      entries[i].classes, x, x + 17, entries[i].text);
		x += entries[i].width;
	}
	strbuf_put(&p->out, "</svg>\n");
}

static void picture_put_header(struct picture *p)
{
	const struct truth *truth = p->truth;
	struct strbuf *b = &p->out;

	strbuf_printf(
		b,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"picture\" width=\"100%%\" height=\"%u\" lang=\"en\">\n"
		"<title>",
		HEADER + p->depth * LEVEL + (p->footer_lines + 2) * FOOTER_LINE);
	picture_put_subject(p);
	strbuf_printf(b, "</title>\n<style><![CDATA[\n%s]]></style>\n", flamegraph_css);
	strbuf_put(b, "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
		      "patternTransform=\"rotate(45)\"><rect class=\"hatch-ground\" width=\"6\" height=\"6\"/>"
		      "<rect class=\"hatch-line\" width=\"2\" height=\"6\"/></pattern></defs>\n"
		      "<rect id=\"ground\" width=\"100%\" height=\"100%\"/>\n");

	strbuf_printf(b, "<text id=\"title\" x=\"%s\" y=\"29\">", MARGIN);
	picture_put_subject(p);
	strbuf_printf(b, "</text>\n<text class=\"note\" x=\"%s\" y=\"48\">", MARGIN);
	start_time_put(truth, b);
	span_put(truth, b);
	strbuf_printf(b, "</text>\n<text id=\"summary\" class=\"note\" x=\"%s\" y=\"65\">", MARGIN);
	picture_put_summary(p);
	strbuf_put(b, "</text>\n");
	picture_put_legend(p);
}

/* Words into lines that a narrow window holds. Text: one paragraph per line. */
static void footer_put_wrapped(struct picture *p, const char *text)
{
	while (*text) {
		size_t size = strcspn(text, "\n");

		if (size > FOOTER_WIDTH) {
			size = FOOTER_WIDTH;
			while (size && text[size] != ' ')
				size--;
			if (!size)
				size = strcspn(text, " \n");
		}
		strbuf_put_size(&p->footer, text, size);
		strbuf_put_char(&p->footer, '\n');
		p->footer_lines++;
		text += size;
		text += *text == ' ' || *text == '\n';
	}
}

static int picture_plan_footer(struct picture *p)
{
	STRBUF(words);

	truth_put_words(p->truth, &words);
	strbuf_put_char(&words, '\n');
	if (p->hidden)
		strbuf_printf(&words, "Not drawn: %u frame%s of less than %.2f %% each.", p->hidden,
			      p->hidden == 1 ? "" : "s", percent_of(p->smallest, call_tree_at(p->tree, 0)->total));
	footer_put_wrapped(p, words.at);
	return words.failed || p->footer.failed ? -ENOMEM : 0;
}

static void picture_put_footer(struct picture *p)
{
	u32 y = HEADER + p->depth * LEVEL;
	const char *line = p->footer.at;

	strbuf_put(&p->out, "<g id=\"truth\">\n");
	while (*line) {
		size_t size = strcspn(line, "\n");

		y += FOOTER_LINE;
		strbuf_printf(&p->out, "<text class=\"note\" x=\"%s\" y=\"%u\">", MARGIN, y + 4);
		xml_put_size(&p->out, line, size);
		strbuf_put(&p->out, "</text>\n");
		line += size + 1;
	}
	strbuf_put(&p->out, "</g>\n");
}

static int picture_write(struct picture *p)
{
	int err = picture_plan(p);
	if (!err)
		err = picture_plan_footer(p);
	if (err)
		return err;

	picture_put_header(p);
	err = picture_put_nodes(p);
	if (err)
		return err;
	picture_put_footer(p);
	strbuf_printf(&p->out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", flamegraph_js);
	err = picture_flush(p, 0);
	return err ? err : output_flush(p->stream);
}

int flamegraph_svg_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out)
{
	_cleanup_(call_tree) struct call_tree *tree = NULL;

	int err = call_tree_build(profile, view, &tree);
	if (err)
		return err;

	struct picture picture = {.profile = profile,
				  .truth = truth,
				  .tree = tree,
				  .footer = {.at = (char *)""},
				  .out = {.at = (char *)""},
				  .stream = out};
	err = picture_write(&picture);
	strbuf_deinit(&picture.footer);
	strbuf_deinit(&picture.out);
	free(picture.starts);
	return err;
}
