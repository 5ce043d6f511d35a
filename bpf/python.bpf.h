/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * python.bpf.h - from a thread to its Python frames. The only Python walker: plain
 * C over read_user(), scratch_get(), signature_cache_get(), layout_get(),
 * thread_state_find() and sample_is_asked_for(), so that the same text runs in the kernel, in other readers
 * of a process's memory and under the tests' debugger (tests/bpf/host.h).
 *
 *	python_thread(slot)	finds and verifies the thread's PyThreadState
 *	python_begin(slot)	the innermost frame
 *	python_step(slot)	one frame outward; called in a plain loop
 *
 * The functions that loop bodies call are global and take one scalar: the verifier
 * then checks each once, not once for every turn. __weak keeps clang from dropping
 * an argument. Walks go by struct python_layout, never by a version.
 */
#ifndef PYPROF_PYTHON_BPF_H
#define PYPROF_PYTHON_BPF_H

#include "bound.bpf.h"
#include "pyprof/losses.h"
#include "scratch.bpf.h"

/* List entries that a sample may look at itself; the newest threads come first. */
#define THREAD_SEARCH_LENGTH	  8
#define THREAD_SEARCH_LENGTH_LONG 1024 /* where nobody else would look: at most a third of a millisecond */

/* A member of an object that was read to the start of a buffer of at least 256 + 8 bytes. */
#define MEMBER(bytes, offset, type) (*(type *)((bytes) + BOUND(offset, 255)))

/* Reads one object into s->object: as much of it as there surely is. */
static __always_inline int object_read(struct scratch *s, u64 size, u64 address)
{
	if (size > THREAD_STATE_WINDOW) /* cannot be; the verifier needs to read it */
		return -1;
	return read_user(s->object, size, address);
}

/*
 * Is s->object, read from state, what this thread runs under? A dead state often
 * still carries the thread pointer of a living thread: so it must also be linked
 * in its interpreter's list.
 */
static __always_inline int thread_state_is_linked(struct scratch *s, const struct python_layout *l, u64 state)
{
	u64 back = 0, link;

	if (l->thread_previous == ABSENT) {
		/* 2.7 has no link back. A state loses its frame when it dies, and a frame knows the state that runs it. */
		link = MEMBER(s->object, l->thread_frame, u64) + l->frame_thread;
	} else {
		u64 previous = MEMBER(s->object, l->thread_previous, u64);
		u64 interpreter = MEMBER(s->object, l->thread_interpreter, u64);

		link = previous ? previous + l->thread_next : interpreter + l->interpreter_threads;
	}
	return !read_user(&back, sizeof(back), link) && back == state;
}

/* One entry of the search for a thread that is not in the threads map. */
__weak int python_thread_search(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return WALK_END;
	const struct python_layout *l = layout_get(s->python.layout);
	if (!l)
		return WALK_END;

	u64 state = s->python.next_state;
	if (!state) {
		u64 interpreter = s->python.next_interpreter;
		u64 next = 0;

		if (!interpreter || read_user(&state, sizeof(state), interpreter + l->interpreter_threads) || !state)
			return WALK_END;
		read_user(&next, sizeof(next), interpreter + l->interpreter_next);
		s->python.next_interpreter = next;
	}
	if (object_read(s, l->thread_window, state))
		return WALK_END;
	/* Up to 3.11 a new state carries its creator's thread pointer until its thread starts; it has no frame then. */
	if (MEMBER(s->object, l->thread_id, u64) == s->python.thread_pointer &&
	    MEMBER(s->object, l->thread_frame, u64) && thread_state_is_linked(s, l, state)) {
		s->python.state = state;
		return WALK_END;
	}
	s->python.next_state = MEMBER(s->object, l->thread_next, u64);
	return WALK_ON;
}

/* Global, so that the verifier does not go on from each of its ends. */
__weak int python_threads_search(u32 slot)
{
	u32 length = sample_is_asked_for() ? THREAD_SEARCH_LENGTH_LONG : THREAD_SEARCH_LENGTH;

	for (u32 i = 0; i < length; i++)
		if (python_thread_search(slot) != WALK_ON)
			break;
	return 0;
}

/*
 * Finds the thread's state: s->python.state, with its bytes in s->object. Returns
 * the flags to add to the sample.
 */
static __always_inline u32 python_thread(struct scratch *s, u32 slot, const struct python_layout *l)
{
	struct python_walk *w = &s->python;
	u64 state = thread_state_find(s->sample.process.pid, w->thread_pointer);

	if (state > THREAD_STATE_NONE && !object_read(s, l->thread_window, state) &&
	    MEMBER(s->object, l->thread_id, u64) == w->thread_pointer && thread_state_is_linked(s, l, state)) {
		w->state = state;
		return 0;
	}

	w->state = w->next_state = w->next_interpreter = 0;
	if (read_user(&w->next_interpreter, sizeof(u64), w->runtime + l->runtime_interpreters) || !w->next_interpreter)
		return 0; /* not initialised yet, or finalized: nobody has a state */
	python_threads_search(slot);
	if (w->state)
		return SAMPLE_THREAD_NEW;
	return w->next_state && state != THREAD_STATE_NONE ? SAMPLE_THREAD_LOOKUP : 0;
}

/* The outermost CFrame lies inside the thread state: no frame has it. */
static __always_inline int cframe_is_outermost(const struct python_walk *w, const struct python_layout *l)
{
	return w->cframe - w->state < l->thread_size;
}

/*
 * The generation under which signatures may be kept, and the innermost frame.
 * Returns 0 or the loss that ends the walk before it began.
 */
static __always_inline int python_begin(struct scratch *s, const struct python_layout *l, u64 now)
{
	struct python_walk *w = &s->python;
	u64 interpreter = MEMBER(s->object, l->thread_interpreter, u64);
	u64 generation = 0;

	if (l->interpreter_generation)
		read_user(&generation, sizeof(generation), interpreter + l->interpreter_generation);
	if (l->generation_size == 4)
		generation = (u32)generation;
	/* None, unreadable, or a counter that ran over and rests: a key that was never used and will not be again. */
	if (!generation)
		generation = now;
	w->generation = hash_mix(generation, w->process_tag);

	w->frame = MEMBER(s->object, l->thread_frame, u64);
	w->cframe_unproven = w->cframe_passed = w->cframes_short = 0;
	w->anchor_shift = 0;
	w->cframe = l->thread_cframe == ABSENT ? 0 : MEMBER(s->object, l->thread_cframe, u64);
	if (l->cframe_frame == ABSENT)
		return 0;

	/*
	 * In 3.11 and 3.12 the thread state points to a _PyCFrame on the C stack, and does so a
	 * few instructions before that is filled in. What proves it is that its run
	 * was called from where the cframe before it stands: checked in python_step().
	 * Neither may be there yet: then nothing leads to the one before.
	 */
	u64 cframe = w->frame, previous = 0;

	w->cframe = cframe;
	w->frame = w->cframe_outer = 0;
	if (!cframe)
		return 0;
	if (read_user(&w->frame, sizeof(u64), cframe + l->cframe_frame) ||
	    read_user(&previous, sizeof(u64), cframe + l->cframe_previous)) {
		w->fault_address = cframe;
		return LOSS_PYTHON_FAULT;
	}
	if (cframe_is_outermost(w, l))
		return 0;
	if (!previous || read_user(&w->cframe_outer, sizeof(u64), previous + l->cframe_frame))
		return LOSS_PYTHON_LOOP;
	w->cframe_unproven = 1;
	return 0;
}

/* Nothing was walked yet. */
static __always_inline void python_drop(struct scratch *s)
{
	struct python_walk *w = &s->python;

	w->cnt = w->run_cnt = 0;
	w->id = 0;
	s->word_cnt = w->first_word;
	s->runs[0].first = 0;
}

/* The innermost cframe was not filled in yet: its activation has not begun. Start from the one before. */
static __always_inline void python_restart(struct scratch *s, const struct python_layout *l)
{
	struct python_walk *w = &s->python;

	w->frame = w->cframe_outer;
	read_user(&w->cframe, sizeof(u64), w->cframe + l->cframe_previous);
	w->cframe_unproven = 0;
	w->cframe_passed = 1;
	python_drop(s);
}

/* Makes the window hold the frame_size bytes at frame, and as many neighbours below it as one read gives. */
static __always_inline int frame_window_fill(struct window *window, u64 frame, u64 frame_size)
{
	u64 end = frame + frame_size;
	u64 start = end - WINDOW_SIZE;
	u64 page = frame & ~(u64)(PAGE_SIZE - 1);

	if (start < page)
		start = page;

	u64 size = end - start;
	if (size > WINDOW_SIZE) /* cannot be; the verifier needs to read it */
		return -1;
	window->start = start;
	window->size = size;
	if (!read_user(window->bytes, size, start))
		return 0;

	/* A neighbour may have faulted. */
	window->start = frame;
	window->size = frame_size;
	if (frame_size <= FRAME_WINDOW && !read_user(window->bytes, frame_size, frame))
		return 0;
	window->size = 0;
	return -1;
}

static __always_inline int fresh_note(struct scratch *s, u64 code, u32 signature)
{
	u32 fresh = s->python.fresh;

	if (fresh >= MAX_FRESH_CODES)
		return -1;
	s->python.fresh = fresh + 1;
	s->fresh[BOUND(fresh, MAX_FRESH_CODES - 1)].code = code;
	s->fresh[BOUND(fresh, MAX_FRESH_CODES - 1)].signature = signature;
	return 0;
}

/*
 * Reads `size` bytes to a piece of a code record; what is behind their page only if it is there. Where
 * an object ends is not known yet, and the page after its own may never have been touched: of a code
 * object that was made at the end of the heap, that is often the line table.
 * Returns how many bytes there are.
 */
static __always_inline u64 piece_read(u8 *piece, u32 size, u64 address)
{
	u64 room = PAGE_SIZE - (address & (PAGE_SIZE - 1));

	if (!read_user(piece, size, address))
		return size;
	/* The mask is for the verifier: the piece with the most room is the last of them. */
	if (room >= size || read_user(piece, BOUND(room, CODE_LINES_SIZE - 1), address))
		return 0;
	return room;
}

#define CODE_PIECE_READ(record, i, member, where)                                                          \
	({                                                                                                 \
		u64 where_ = (where);                                                                      \
		(record)->pieces[i].address = where_;                                                      \
		(record)->pieces[i].size = piece_read((record)->member, sizeof((record)->member), where_); \
	})

/* Makes the record of one of the code objects that were noted. */
static __always_inline void code_record_fill(struct scratch *s, const struct python_layout *l, u32 i)
{
	struct code_record *record = &s->code;
	u64 code = s->fresh[BOUND(i, MAX_FRESH_CODES - 1)].code;

	record->record.type = RECORD_CODE;
	record->record.size = sizeof(*record);
	record->record.time_ns = s->sample.record.time_ns;
	record->process = s->sample.process;
	record->code = code;
	record->signature = s->fresh[BOUND(i, MAX_FRESH_CODES - 1)].signature;
	record->reserved = 0;
	record->pieces[CODE_PIECE_OBJECT].address = code;
	record->pieces[CODE_PIECE_OBJECT].size = 0;
	if (l->code_window > sizeof(record->object) || read_user(record->object, l->code_window, code))
		return;
	record->pieces[CODE_PIECE_OBJECT].size = l->code_window;
	__builtin_memcpy(s->object, record->object, sizeof(record->object));
	u64 name = MEMBER(s->object, l->code_name, u64);
	u64 qualname = l->code_qualname == ABSENT ? name : MEMBER(s->object, l->code_qualname, u64);

	CODE_PIECE_READ(record, CODE_PIECE_NAME, name, name);
	CODE_PIECE_READ(record, CODE_PIECE_QUALNAME, qualname, qualname);
	CODE_PIECE_READ(record, CODE_PIECE_FILENAME, filename, MEMBER(s->object, l->code_filename, u64));
	CODE_PIECE_READ(record, CODE_PIECE_LINES, lines, MEMBER(s->object, l->code_line_table, u64));
}

/* Of a PyUnicodeObject's text; see python_signature(). */
static __always_inline u64 filename_hash(struct scratch *s, const struct python_layout *l, u64 filename)
{
	u32 slot = BOUND(filename >> 5, FILENAMES_KEPT - 1);
	u64 room = PAGE_SIZE - (filename & (PAGE_SIZE - 1)), hash;

	if (s->filenames[slot].address == filename && s->filenames[slot].generation == s->python.generation)
		return s->filenames[slot].hash;

	/* To the end of the page when the next one is not there: then the text is not there either. */
	if (read_user(s->object, 256, filename) && (room >= 256 || read_user(s->object, BOUND(room, 255), filename)))
		return 0;
	u32 state = STRING_COMPACT | STRING_ASCII | 1; /* plain bytes have no such member */
	if (l->string_state != ABSENT)
		state = MEMBER(s->object, l->string_state, u32) >> (l->string_kind_bit & 31);
	u64 length = MEMBER(s->object, l->string_length, u64);
	u64 size = state & STRING_COMPACT ? length * (state & STRING_KIND) : 0;
	u64 at = state & STRING_ASCII ? l->string_ascii_size : l->string_compact_size;

	hash = length;
	if (size > FILENAME_HASHED)
		size = FILENAME_HASHED;
	for (u32 i = 0; i < FILENAME_HASHED / 8; i++) {
		if (i * 8 >= size)
			break;
		hash = python_text_mix(hash, MEMBER(s->object, at + i * 8, u64), size - i * 8);
	}
	s->filenames[slot].address = filename;
	s->filenames[slot].generation = s->python.generation;
	s->filenames[slot].hash = hash;
	return hash;
}

/* Where there is no co_version, or it ran over. */
static __always_inline u32 content_signature(struct scratch *s, const struct python_layout *l, u64 code, int *fault)
{
	u64 name_hash = 0;

	if (object_read(s, l->code_window, code) ||
	    read_user(&name_hash, sizeof(name_hash), MEMBER(s->object, l->code_name, u64) + l->string_hash)) {
		*fault = 1;
		return 0;
	}
	u32 first_line = MEMBER(s->object, l->code_first_line, u32);
	u64 filename = MEMBER(s->object, l->code_filename, u64);

	return python_signature(0, name_hash, first_line, filename_hash(s, l, filename));
}

/* No two code objects begin in the same 16 bytes, and they lie below 2^47: that leaves 21 bits to tell processes apart. */
static __always_inline u64 signature_key(u64 code, u32 process_tag)
{
	return code >> 4 | (u64)process_tag << 43;
}

/* What tells the code object apart from others that lived at its address; see python_signature(). */
static __always_inline u32 code_signature(struct scratch *s, u32 slot, const struct python_layout *l, u64 code,
					  int *fault)
{
	struct python_walk *w = &s->python;
	struct signature_cache *cache = signature_cache_get(slot);
	u32 version = 0;

	if (!cache)
		return 0;
	u64 key = signature_key(code, w->process_tag), home = key * HASH_MULTIPLIER;
	u32 generation = w->generation >> 32;
	struct signature_set *set = &cache->sets[BOUND(home >> 40, SIGNATURE_SETS - 1)];
	struct signature_entry *entry = NULL;

	for (u32 i = 0; i < SIGNATURE_WAYS; i++) {
		if (set->ways[i].code != key)
			continue;
		entry = &set->ways[i];
		if (entry->generation == generation)
			return entry->signature;
	}
	if (l->code_version != ABSENT && read_user(&version, sizeof(version), code + l->code_version)) {
		*fault = 1;
		return 0;
	}
	if (!version)
		version = content_signature(s, l, code, fault);
	if (*fault)
		return 0;
	if ((!entry || entry->signature != version) && fresh_note(s, code, version))
		return version; /* there was no room to note it: it stays new to this CPU */
	if (!entry) /* any may go: the instant is as good as chance */
		entry = &set->ways[BOUND(s->sample.record.time_ns >> 8 ^ home >> 60, SIGNATURE_WAYS - 1)];
	entry->code = key;
	entry->generation = generation;
	entry->signature = version;
	return version;
}

/* A run of frames ends here, at its anchor. Returns WALK_ON or why not. */
static __always_inline int run_end(struct scratch *s, u64 anchor, u64 called_from)
{
	struct python_walk *w = &s->python;
	u32 run = w->run_cnt;

	if (w->cframe_unproven) {
		if (called_from != w->cframe_outer)
			return WALK_RESTART;
		w->cframe_unproven = 0;
	}
	if (run >= MAX_PYTHON_RUNS)
		return LOSS_PYTHON_RUNS;
	run_at(s, run)->anchor = anchor;
	run_at(s, run + 1)->first = w->cnt;
	run_at(s, run + 1)->anchor = 0;
	w->run_cnt = run + 1;
	return WALK_ON;
}

/* 3.10: every frame has a CFrame, which comes before it and goes before it. */
static __always_inline u64 cframe_next(struct python_walk *w, const struct python_layout *l)
{
	u64 anchor = w->cframe;

	if (cframe_is_outermost(w, l)) {
		w->cframes_short++;
		return 0;
	}
	read_user(&w->cframe, sizeof(u64), anchor + l->cframe_previous);
	return anchor;
}

/* So at its beginning and its end an activation has one of the two alone; all those outward of it have both. */
static __always_inline void cframes_align(struct scratch *s, const struct python_layout *l)
{
	struct python_walk *w = &s->python;

	if (w->cframes_short == 1)
		w->anchor_shift = -1;
	if (w->cframes_short || cframe_is_outermost(w, l))
		return;
	run_at(s, w->run_cnt)->anchor = w->cframe;
	w->anchor_shift = 1;
}

/* Where the copy of the bytecode begins that a frame runs; see code_bytecodes. 0: cannot be read. */
static __always_inline u64 bytecode_of(const struct python_layout *l, u64 code, const u8 *frame)
{
	u64 bytecode = 0, copies = 0;

	if (l->frame_bytecode_index == ABSENT)
		return code + l->code_bytecode;
	u32 index = *(u32 *)(frame + BOUND(l->frame_bytecode_index, 127));
	if (!index)
		return code + l->code_bytecode;
	if (!read_user(&copies, sizeof(copies), code + l->code_bytecodes))
		read_user(&bytecode, sizeof(bytecode), copies + l->bytecodes_entries + (u64)index * sizeof(bytecode));
	return bytecode;
}

/* To 3.10 a frame has an index, -1 before its first instruction; later ones a pointer. */
static __always_inline u64 instr_offset(const struct python_layout *l, u64 code, u64 instr, const u8 *frame)
{
	if (!l->frame_instr_unit) {
		u64 bytecode = bytecode_of(l, code, frame);

		return bytecode ? instr - bytecode : (u64)-1;
	}
	return (s32)instr < 0 ? (u64)-2 : (u64)(u32)instr * l->frame_instr_unit;
}

static __always_inline u32 instr_of(u64 offset)
{
	if (!(offset >> 30))
		return offset;
	return offset == (u64)-2 ? PYTHON_INSTR_BEFORE : PYTHON_INSTR_UNKNOWN;
}

/* Visits s->python.frame and moves one frame outward. WALK_ON, WALK_END, WALK_RESTART or an enum loss. */
__weak int python_step(u32 slot)
{
	struct scratch *s = scratch_get(slot);
	if (!s)
		return WALK_END;
	struct python_walk *w = &s->python;
	const struct python_layout *l = layout_get(w->layout);
	if (!l)
		return WALK_END;

	u64 frame = w->frame;
	if (!frame) {
		if (l->thread_cframe != ABSENT)
			cframes_align(s, l);
		if (w->cframe_unproven)
			return WALK_RESTART;
		/*
		 * Where the walk was led by a cframe that is left of what has returned, see python_begin(): 3.11's runs
		 * and cframes do not end together, or nothing is there at all, though Python was called.
		 */
		if ((l->frame_is_entry != ABSENT && !cframe_is_outermost(w, l)) || (w->cframe_passed && !w->cnt)) {
			python_drop(s);
			return LOSS_PYTHON_LOOP;
		}
		return WALK_END;
	}
	/* 3.15's outermost base frame lies inside the thread state. */
	if (frame - w->state < l->thread_size)
		return w->cframe_unproven ? WALK_RESTART : WALK_END;

	u64 offset = frame - w->window.start;
	if (offset > WINDOW_SIZE || offset + l->frame_window > w->window.size) {
		if (frame_window_fill(&w->window, frame, l->frame_window)) {
			w->fault_address = frame;
			return w->cframe_unproven ? WALK_RESTART : LOSS_PYTHON_FAULT;
		}
		offset = frame - w->window.start;
	}

	u8 *bytes = w->window.bytes + BOUND(offset, WINDOW_SIZE - 1);
	u64 code = *(u64 *)(bytes + BOUND(l->frame_code, 127)) & l->frame_code_mask;
	u64 previous = *(u64 *)(bytes + BOUND(l->frame_previous, 127));
	u64 instr = *(u64 *)(bytes + BOUND(l->frame_instr, 127));

	if (l->frame_owner != ABSENT && *(bytes + BOUND(l->frame_owner, 127)) >= l->frame_owner_shim) {
		w->frame = previous;
		return run_end(s, frame, previous);
	}

	u32 cnt = w->cnt;
	if (cnt >= MAX_PYTHON_FRAMES)
		return LOSS_PYTHON_DEPTH;
	if (!code)
		return w->cframe_unproven ? WALK_RESTART : LOSS_PYTHON_LOOP;

	int fault = 0;
	u32 signature = code_signature(s, slot, l, code, &fault);
	if (fault) {
		w->fault_address = code;
		return w->cframe_unproven ? WALK_RESTART : LOSS_PYTHON_FAULT;
	}

	u64 what = (u64)signature << 32 | instr_of(instr_offset(l, code, instr, bytes));
	u32 word = s->word_cnt;

	if (cnt == run_at(s, w->run_cnt)->first)
		code |= PYTHON_RUN_BEGIN;
	s->words[BOUND(word, SAMPLE_WORDS - 1)] = code;
	s->words[BOUND(word + 1, SAMPLE_WORDS - 1)] = what << 32 | what >> 32;
	s->word_cnt = word + 2;
	w->cnt = cnt + 1;
	w->id = hash_mix(hash_mix(w->id, code), what);
	w->frame = previous;

	if (l->frame_owner != ABSENT)
		return WALK_ON;
	if (l->frame_is_entry == ABSENT)
		return run_end(s, l->thread_cframe == ABSENT ? 0 : cframe_next(w, l), previous);
	if (*(bytes + BOUND(l->frame_is_entry, 127))) {
		u64 anchor = w->cframe;
		int end = run_end(s, anchor, previous);

		if (end == WALK_ON) /* a restart goes on from here */
			read_user(&w->cframe, sizeof(u64), anchor + l->cframe_previous);
		return end;
	}
	return WALK_ON;
}

#endif
