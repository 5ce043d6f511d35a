/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/locks.h"

#include <errno.h>
#include <string.h>

#include "inspect/block_depth.h"

#define SLOTS_MAX 1024 /* of a frame that are looked at: more than co_stacksize is in code that people write */
#define DEEPEST_BLOCK \
	256 /* slots below a frame's innermost block: up to six for each, and CPython nests no more than 20 or 40 */

int python_locks_init(struct python_locks *locks, const struct python_objects *objects)
{
	const struct lock_layout *layout = lock_layout_of_version(objects->layout->version);
	if (!layout)
		return -ENOTSUP;
	memset(locks, 0, sizeof(*locks));
	locks->objects = objects;
	locks->layout = layout;
	return 0;
}

/* Errors that say that something is not what it was taken for, or is gone: no reason to stop. */
static bool is_passable(int err)
{
	return err == -EINVAL || err == -ENOENT || err == -EFAULT || err == -ERANGE;
}

/* ---- what an object is ---- */

enum lock_type {
	IS_LOCK = 1 << 0,
	IS_RLOCK = 1 << 1,
	IS_PYTHON_RLOCK = 1 << 2,
	IS_CONDITION = 1 << 3,
	IS_THREAD = 1 << 4,
	IS_METHOD_DESCRIPTOR = 1 << 5,
	IS_FUNCTION = 1 << 6,
};

static u32 type_look(const struct python_locks *locks, u64 object)
{
	const struct lock_layout *layout = locks->layout;
	const struct {
		u32 is;
		const char *name;
	} types[] = {
		{IS_LOCK, layout->lock_type},
		{IS_RLOCK, layout->rlock_type},
		{IS_PYTHON_RLOCK, layout->python_rlock_type},
		{IS_CONDITION, layout->condition_type},
		{IS_THREAD, layout->thread_type},
		{IS_METHOD_DESCRIPTOR, "method_descriptor"},
		{IS_FUNCTION, "function"},
	};
	u32 is = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].name && object_is_a(locks->objects, object, types[i].name))
			is |= types[i].is;
	return is;
}

/* One word is read of an object whose type was met before. */
static bool object_is(struct python_locks *locks, u64 object, u32 what)
{
	u64 type;

	if (object_type(locks->objects, object, &type))
		return false;
	__auto_type known = &locks->types[(type >> 4 ^ type >> 10) % LOCK_TYPES];
	if (known->type != type) {
		known->is = type_look(locks, object);
		known->type = type;
	}
	return known->is & what;
}

/* The plain lock that this is, or that this Condition is made of. 0: neither. */
static u64 plain_lock_of(struct python_locks *locks, u64 address)
{
	u64 lock;

	if (object_is(locks, address, IS_LOCK))
		return address;
	if (!object_is(locks, address, IS_CONDITION) ||
	    object_attribute(locks->objects, address, locks->layout->condition_lock, &lock))
		return 0;
	return object_is(locks, lock, IS_LOCK) ? lock : 0;
}

static u64 slot_address(struct python_locks *locks, u64 word)
{
	return object_slot_of(locks->objects, word).address;
}

/* ---- what a lock says of itself ---- */

static u64 lock_member(struct python_locks *locks, u64 lock, u16 offset)
{
	return lock + locks->objects->object.object_size + offset;
}

static int rlock_owner_read(struct python_locks *locks, u64 lock, u64 *ret)
{
	u64 owner, cnt = 1;
	int err = object_word(locks->objects, lock_member(locks, lock, locks->layout->rlock_owner), &owner);

	if (!err && locks->layout->rlock_cnt != ABSENT)
		err = object_word(locks->objects, lock_member(locks, lock, locks->layout->rlock_cnt), &cnt);
	if (!err)
		*ret = cnt ? owner : 0;
	return err;
}

static int lock_describe(struct python_locks *locks, u64 lock, bool is_held, struct python_lock *ret)
{
	bool recursive = object_is(locks, lock, IS_RLOCK);
	u64 owner = 0;
	int err = recursive ? rlock_owner_read(locks, lock, &owner) : 0;

	if (err)
		return err;
	*ret = (struct python_lock){
		.kind = recursive ? PYTHON_LOCK_RECURSIVE : PYTHON_LOCK_PLAIN,
		.is_held = is_held,
		.address = lock,
		.owner_ident = owner,
	};
	return 0;
}

/* ---- frames ---- */

struct slots {
	u64 words[SLOTS_MAX];
	size_t cnt;
	size_t stack; /* index of the first that is no local variable */
};

/* Where the stack of a frame begins, and how many slots it has at most. */
static int frame_stack_find(struct python_locks *locks, const struct python_stack *stack, size_t index, u64 *ret_begin,
			    u32 *ret_cnt)
{
	const struct remote_memory *memory = locks->objects->memory;
	const struct object_layout *object = &locks->objects->object;
	u64 frame = stack->addresses[index], code = stack->frames[index].code & ~PYTHON_RUN_BEGIN;
	u32 local_cnt, stack_cnt;
	int err = remote_read(memory, code + object->object_size + locks->layout->code_stack_size, &stack_cnt,
			      sizeof(stack_cnt));

	if (!err && locks->layout->frame_stack != ABSENT)
		err = object_word(locks->objects, frame + locks->layout->frame_stack, ret_begin);
	else if (!err && !(err = remote_read(memory, code + object->code_local_cnt, &local_cnt, sizeof(local_cnt))))
		*ret_begin = frame + object->frame_locals + 8ull * local_cnt;
	if (!err)
		*ret_cnt = stack_cnt;
	return err;
}

/* All slots of a frame, local variables and stack; above the stack's depth is what is left of earlier. */
static int frame_slots_read(struct python_locks *locks, const struct python_stack *stack, size_t index,
			    struct slots *ret)
{
	u64 first = stack->addresses[index] + locks->objects->object.frame_locals, begin;
	u32 stack_cnt;
	int err = frame_stack_find(locks, stack, index, &begin, &stack_cnt);

	if (err)
		return err;
	if (begin < first || begin - first > 8 * SLOTS_MAX)
		return -EINVAL;
	ret->stack = (begin - first) / 8;
	ret->cnt = stack_cnt < SLOTS_MAX - ret->stack ? ret->stack + stack_cnt : SLOTS_MAX;
	return remote_read(locks->objects->memory, first, ret->words, 8 * ret->cnt);
}

/* The slots of a frame's stack below this depth alone. */
static int frame_blocks_read(struct python_locks *locks, const struct python_stack *stack, size_t index, u32 depth,
			     struct slots *ret)
{
	u64 begin;
	u32 stack_cnt;
	int err = frame_stack_find(locks, stack, index, &begin, &stack_cnt);

	if (err)
		return err;
	if (depth > stack_cnt || depth > DEEPEST_BLOCK)
		return -EINVAL;
	ret->stack = 0;
	ret->cnt = depth;
	return remote_read(locks->objects->memory, begin, ret->words, 8 * ret->cnt);
}

/* The first argument of a frame that runs the method of this name of a type. 0: it does not. */
static u64 self_find(struct python_locks *locks, const struct python_stack *stack, size_t index, const char *method,
		     u32 type)
{
	const struct python_objects *objects = locks->objects;
	u64 name, word;

	if (index >= stack->cnt ||
	    object_word(objects, (stack->frames[index].code & ~PYTHON_RUN_BEGIN) + objects->layout->code_name, &name) ||
	    !object_is_text(objects, name, method) ||
	    object_word(objects, stack->addresses[index] + objects->object.frame_locals, &word))
		return 0;
	u64 self = slot_address(locks, word);
	return self && object_is(locks, self, type) ? self : 0;
}

/* ---- which lock a thread waits for ---- */

/* Of 32 bits; 0: nobody can take it. musl sets the top bit, or all, when there are waiters. */
static bool semaphore_is_taken(u32 value)
{
	return !(value & 0x7fffffff) || value == 0xffffffff;
}

/* One word first, and only then what it is: that is cheap where nearly nothing is a lock. */
static bool has_semaphore(struct python_locks *locks, u64 lock, u64 futex)
{
	u64 semaphore;

	return !object_word(locks->objects, lock_member(locks, lock, locks->layout->lock_semaphore), &semaphore) &&
	       semaphore == futex && object_is(locks, lock, IS_LOCK | IS_RLOCK);
}

/* The lock with this semaphore that is in a slot, or that a method in it is bound to. 0: none. */
static u64 lock_of_slot(struct python_locks *locks, u64 word, u64 futex)
{
	struct object_callable callable;
	u64 address = slot_address(locks, word), self;

	if (!address)
		return 0;
	if (has_semaphore(locks, address, futex))
		return address;
	if (object_word(locks->objects, address + locks->objects->object.builtin_self, &self) || !self ||
	    !has_semaphore(locks, self, futex) || object_callable(locks->objects, address, &callable))
		return 0;
	return callable.self == self ? self : 0;
}

/* The one lock in sight of the innermost frame whose semaphore this is. */
static int semaphore_find(struct python_locks *locks, const struct slots *slots, u64 futex, u64 *ret)
{
	u64 found = 0;

	for (size_t i = 0; i < slots->cnt; i++) {
		u64 lock = lock_of_slot(locks, slots->words[i], futex);

		/* Of two, one was freed, and the other one got its semaphore. */
		if (lock && found && lock != found)
			return -ENOENT;
		found = lock ? lock : found;
	}
	if (!found)
		return -ENOENT;
	*ret = found;
	return 0;
}

/* An RLock written in Python holds a plain lock; a thread that waits for that is in its acquire(self). */
static int python_rlock_find(struct python_locks *locks, const struct slots *slots, struct python_lock *lock)
{
	const struct lock_layout *layout = locks->layout;
	u64 self = slots->stack ? slot_address(locks, slots->words[0]) : 0, block, owner;
	s64 ident;

	if (!self || !object_is(locks, self, IS_PYTHON_RLOCK) ||
	    object_attribute(locks->objects, self, layout->python_rlock_block, &block) || block != lock->address)
		return 0;
	lock->kind = PYTHON_LOCK_RECURSIVE;
	lock->address = self;
	int err = object_attribute(locks->objects, self, layout->python_rlock_owner, &owner);
	if (!err)
		err = object_int(locks->objects, owner, &ident);
	if (!err)
		lock->owner_ident = (u64)ident;
	return is_passable(err) ? 0 : err; /* None: nobody has it */
}

static int semaphore_lock_find(struct python_locks *locks, const struct python_stack *stack, u64 futex,
			       struct python_lock *ret)
{
	struct slots slots;
	u64 lock;
	u32 value;

	if (locks->layout->lock_semaphore == ABSENT || !stack->cnt)
		return -ENOENT;
	int err = frame_slots_read(locks, stack, 0, &slots);
	if (!err)
		err = semaphore_find(locks, &slots, futex, &lock);
	if (!err)
		err = remote_read(locks->objects->memory, futex, &value, sizeof(value));
	if (!err)
		err = lock_describe(locks, lock, semaphore_is_taken(value), ret);
	return err ? err : python_rlock_find(locks, &slots, ret);
}

/* It is a ThreadHandle if its neighbours in the list of all handles say so. */
static bool is_handle(struct python_locks *locks, u64 handle)
{
	u64 node = handle + locks->layout->handle_node, next, previous, back, forth;

	return !object_word(locks->objects, node, &next) && !object_word(locks->objects, node + 8, &previous) &&
	       !object_word(locks->objects, next + 8, &back) && !object_word(locks->objects, previous, &forth) &&
	       back == node && forth == node;
}

static int parked_find(struct python_locks *locks, u64 futex, struct python_lock *ret)
{
	const struct lock_layout *layout = locks->layout;
	u64 parked, ident;
	u8 bits;

	if (layout->parked_address == ABSENT)
		return -ENOENT;
	int err = object_word(locks->objects, futex - layout->parked_address, &parked);
	if (!err)
		err = remote_read(locks->objects->memory, parked, &bits, sizeof(bits));
	if (err)
		return err;

	u64 lock = parked - locks->objects->object.object_size - layout->lock_mutex;
	if (layout->lock_mutex != ABSENT && object_is(locks, lock, IS_LOCK | IS_RLOCK))
		return lock_describe(locks, lock, bits & 1, ret);

	u64 handle = parked - layout->handle_event;
	if (!is_handle(locks, handle) || object_word(locks->objects, handle + layout->handle_ident, &ident))
		return -ENOENT;
	*ret = (struct python_lock){PYTHON_LOCK_THREAD, .is_held = true, .address = handle, .owner_ident = ident};
	return 0;
}

/* 2.7: join() is the wait() of a Condition of the thread that is joined. -ENOENT: it is not that. */
static int python_join_find(struct python_locks *locks, const struct python_stack *stack, struct python_lock *ret)
{
	const struct lock_layout *layout = locks->layout;
	u64 thread = layout->thread_type ? self_find(locks, stack, 1, "join", IS_THREAD) : 0, value;
	s64 ident;
	int err = thread ? object_attribute(locks->objects, thread, layout->thread_ident, &value) : -ENOENT;

	if (!err)
		err = object_int(locks->objects, value, &ident);
	if (!err)
		*ret = (struct python_lock){PYTHON_LOCK_THREAD, true, thread, (u64)ident};
	return err;
}

/* Condition.wait(self) waits for a lock that it made itself, to be released by who notifies. */
static int condition_find(struct python_locks *locks, const struct python_stack *stack, struct python_lock *lock)
{
	u64 condition = self_find(locks, stack, 0, "wait", IS_CONDITION);

	if (!condition || plain_lock_of(locks, condition) == lock->address)
		return 0;
	int err = python_join_find(locks, stack, lock);
	if (!is_passable(err))
		return err;
	*lock = (struct python_lock){PYTHON_LOCK_CONDITION, .is_held = true, .address = condition};
	return 0;
}

int python_lock_find(struct python_locks *locks, const struct python_stack *stack, u64 futex, struct python_lock *ret)
{
	struct python_lock lock;
	int err = parked_find(locks, futex, &lock);

	if (is_passable(err))
		err = semaphore_lock_find(locks, stack, futex, &lock);
	if (!err && lock.kind == PYTHON_LOCK_PLAIN)
		err = condition_find(locks, stack, &lock);
	if (err)
		return is_passable(err) ? -ENOENT : err;
	*ret = lock;
	return 0;
}

/* ---- which locks a thread is inside `with` on ---- */

/* `__exit__` of a type, from 3.14 on: what it is called on is in the next slot. */
static bool is_exit_descriptor(struct python_locks *locks, u64 address)
{
	const struct object_layout *object = &locks->objects->object;
	char text[sizeof("__exit__")];
	u64 definition, name;

	return object_is(locks, address, IS_METHOD_DESCRIPTOR) &&
	       !object_word(locks->objects, address + object->object_size + locks->layout->descriptor_method,
			    &definition) &&
	       !object_word(locks->objects, definition + object->definition_name, &name) &&
	       !remote_read(locks->objects->memory, name, text, sizeof(text)) &&
	       !memcmp(text, "__exit__", sizeof(text));
}

/*
 * The plain lock that a `with` will release, if that is what a slot below a handler of exceptions
 * is for: a bound `__exit__`, or from 3.14 on one that is not bound and what it is called on.
 * (A Condition's is written in Python. Nothing else of it is ever there.)
 */
static u64 lock_of_exit(struct python_locks *locks, u64 word, u64 next)
{
	struct object_callable callable;
	u64 address = slot_address(locks, word), target = 0;

	if (!address)
		return 0;
	if (!object_callable(locks->objects, address, &callable)) {
		if (callable.function || !strcmp(callable.name, "__exit__"))
			target = callable.self;
	} else if (is_exit_descriptor(locks, address) || object_is(locks, address, IS_FUNCTION)) {
		target = slot_address(locks, next);
	}
	return target ? plain_lock_of(locks, target) : 0;
}

/* In Condition.wait(self) a thread has given its lock up, or is about to get it again. 0: it is not in there. */
static u64 given_up_lock(struct python_locks *locks, const struct python_stack *stack, size_t index)
{
	u64 self = self_find(locks, stack, index, "wait", IS_CONDITION);

	return self ? plain_lock_of(locks, self) : 0;
}

int python_locks_list(struct python_locks *locks, const struct python_stack *stack, int (*visit)(void *ctx, u64 lock),
		      void *ctx)
{
	/* wait(), and _acquire_restore() inside of it. */
	u64 given_up[2] = {given_up_lock(locks, stack, 0), given_up_lock(locks, stack, 1)};
	struct slots slots;
	int err = 0;

	for (size_t i = 0; i < stack->cnt && !err; i++) {
		u32 depth;

		if (block_depth_read(locks, stack, i, &depth) || !depth ||
		    frame_blocks_read(locks, stack, i, depth, &slots))
			continue;
		for (size_t at = slots.cnt; at-- > 0 && !err;) {
			u64 next = at + 1 < slots.cnt ? slots.words[at + 1] : 0;
			u64 lock = lock_of_exit(locks, slots.words[at], next);

			if (lock && lock != given_up[0] && lock != given_up[1])
				err = visit(ctx, lock);
		}
	}
	return err;
}

int python_lock_of_thread(struct python_locks *locks, u64 state, u64 *ret)
{
	const struct python_objects *objects = locks->objects;
	u64 reference, lock;

	if (locks->layout->thread_end == ABSENT)
		return -ENOENT;
	int err = object_word(objects, state + locks->layout->thread_end, &reference);
	if (!err && !object_is_a(objects, reference, locks->layout->reference_type))
		return -ENOENT;
	if (!err)
		err = object_word(objects, reference + objects->object.object_size + locks->layout->reference_object,
				  &lock);
	if (!err && !object_is(locks, lock, IS_LOCK))
		return -ENOENT;
	if (err)
		return is_passable(err) ? -ENOENT : err;
	*ret = lock;
	return 0;
}
