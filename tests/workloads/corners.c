/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * corners.c - code whose stacks are hard to follow, called from functions that are
 * known (chains.h).
 *
 *	corners TRUTH FILE vdso			asks for the time
 *	corners TRUTH FILE crypto		ciphers, hashes and big numbers of libcrypto, in assembly
 *	corners TRUTH FILE reload ONE TWO	loads and unloads two libraries in turn, at the same address
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chains.h"

#define LOADER 60 /* frames of the dynamic linker */
#define CRYPTO 40

static char **words;
static volatile unsigned long sink;

static void *symbol_of(void *library, const char *name)
{
	void *symbol = library ? dlsym(library, name) : NULL;

	if (!symbol) {
		fprintf(stderr, "corners: %s\n", dlerror());
		exit(1);
	}
	return symbol;
}
#define SYMBOL(library, type, name) type *name = (type *)symbol_of(library, #name)

/* ---- vdso */

OWN static void vdso(void)
{
	struct timespec now;

	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		sink += (unsigned long)now.tv_nsec;
	}
}

static void vdso_truth(FILE *truth, const char *file)
{
	truth_pair(truth, file, "vdso", "-", 0, 3);
}

/* ---- crypto; the declarations are those of OpenSSL 3's headers */

static unsigned char in[16384], out[16384 + 64];

OWN static void hashes(void *library)
{
	typedef unsigned char *digest(const unsigned char *data, size_t size, unsigned char *ret);
	SYMBOL(library, digest, SHA1);
	SYMBOL(library, digest, SHA256);
	SYMBOL(library, digest, SHA512);

	for (int i = 0; i < 20; i++) {
		SHA1(in, sizeof(in), out);
		SHA256(in, sizeof(in), out);
		SHA512(in, sizeof(in), out);
	}
}

OWN static void ciphers(void *library)
{
	static const char *const names[] = {"AES-128-CBC", "AES-256-GCM", "ChaCha20-Poly1305", "AES-128-XTS"};
	typedef void *context_new(void);
	typedef void context_free(void *context);
	typedef void *fetch(void *library, const char *name, const char *properties);
	typedef int init(void *context, const void *cipher, const unsigned char *key, const unsigned char *iv,
			 const void *parameters);
	typedef int update(void *context, unsigned char *ret, int *ret_size, const unsigned char *data, int size);
	SYMBOL(library, context_new, EVP_CIPHER_CTX_new);
	SYMBOL(library, context_free, EVP_CIPHER_CTX_free);
	SYMBOL(library, fetch, EVP_CIPHER_fetch);
	SYMBOL(library, context_free, EVP_CIPHER_free);
	SYMBOL(library, init, EVP_EncryptInit_ex2);
	SYMBOL(library, update, EVP_EncryptUpdate);
	static unsigned char key[64];
	int size;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *context = EVP_CIPHER_CTX_new(), *cipher = EVP_CIPHER_fetch(NULL, names[i], NULL);
		if (!cipher || EVP_EncryptInit_ex2(context, cipher, key, key, NULL) != 1)
			abort();
		for (int j = 0; j < 100; j++)
			EVP_EncryptUpdate(context, out, &size, in, sizeof(in));
		EVP_CIPHER_CTX_free(context);
		EVP_CIPHER_free(cipher);
	}
}

OWN static void numbers(void *library)
{
	typedef void *make(void);
	typedef void drop(void *number);
	typedef int random_bits(void *number, int bits, int top, int bottom);
	typedef int power(void *ret, const void *base, const void *exponent, const void *modulus, void *context);
	SYMBOL(library, make, BN_new);
	SYMBOL(library, make, BN_CTX_new);
	SYMBOL(library, drop, BN_free);
	SYMBOL(library, drop, BN_CTX_free);
	SYMBOL(library, random_bits, BN_rand);
	SYMBOL(library, power, BN_mod_exp);
	static const int bits[] = {512, 1024, 2048};

	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		void *base = BN_new(), *exponent = BN_new(), *modulus = BN_new(), *ret = BN_new();
		void *context = BN_CTX_new();
		BN_rand(base, bits[i] - 1, 0, 0);
		BN_rand(exponent, bits[i], 0, 0);
		BN_rand(modulus, bits[i], 0, 1);
		BN_mod_exp(ret, base, exponent, modulus, context);
		BN_free(base);
		BN_free(exponent);
		BN_free(modulus);
		BN_free(ret);
		BN_CTX_free(context);
	}
}

OWN static void curves(void *library)
{
	typedef void *group_new(int curve);
	typedef void *point_new(const void *group);
	typedef void drop(void *at);
	typedef void *make(void);
	typedef int random_bits(void *number, int bits, int top, int bottom);
	typedef int multiply(const void *group, void *ret, const void *n, const void *q, const void *m, void *context);
	SYMBOL(library, group_new, EC_GROUP_new_by_curve_name);
	SYMBOL(library, point_new, EC_POINT_new);
	SYMBOL(library, make, BN_new);
	SYMBOL(library, random_bits, BN_rand);
	SYMBOL(library, multiply, EC_POINT_mul);
	SYMBOL(library, drop, BN_free);
	SYMBOL(library, drop, EC_POINT_free);
	SYMBOL(library, drop, EC_GROUP_free);
	void *group = EC_GROUP_new_by_curve_name(415 /* NID_X9_62_prime256v1 */);
	void *point = EC_POINT_new(group), *factor = BN_new();

	for (int i = 0; i < 20; i++) {
		BN_rand(factor, 255, 0, 0);
		EC_POINT_mul(group, point, factor, NULL, NULL, NULL);
		EC_POINT_mul(group, point, NULL, point, factor, NULL);
	}
	EC_POINT_free(point);
	BN_free(factor);
	EC_GROUP_free(group);
}

OWN static void crypto(void)
{
	static void *library;

	if (!library)
		library = dlopen("libcrypto.so.3", RTLD_NOW);
	hashes(library);
	ciphers(library);
	numbers(library);
	curves(library);
}

static void crypto_truth(FILE *truth, const char *file)
{
	static const char *const names[] = {"hashes", "ciphers", "numbers", "curves"};

	truth_pair(truth, file, "crypto", "-", 0, LOADER);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		truth_pair(truth, file, "crypto", names[i], 0, 0);
		truth_pair(truth, file, names[i], "-", 0, CRYPTO);
	}
}

/* ---- reload */

#define ROUNDS 6000 /* some 400 ms */

OWN static void *reload_one(const char *path, unsigned long x)
{
	void *library = dlopen(path, RTLD_NOW);
	typedef unsigned long worker(unsigned long x);
	SYMBOL(library, worker, plugin_work);
	Dl_info where;

	if (!dladdr((void *)plugin_work, &where))
		abort();

	for (int i = 0; i < ROUNDS; i++)
		x = plugin_work(x);
	sink = x;
	dlclose(library);
	return where.dli_fbase;
}

OWN static void reload(void)
{
	void *a = reload_one(words[0], sink), *b = reload_one(words[1], sink);

	if (a != b) {
		fprintf(stderr, "corners: the libraries are not at the same address\n");
		exit(1);
	}
}

static void reload_truth(FILE *truth, const char *file)
{
	truth_pair(truth, file, "reload", "reload_one", 0, 0);
	truth_pair(truth, file, "reload_one", "-", 0, LOADER);
	for (int i = 0; i < 2; i++) {
		const char *slash = strrchr(words[i], '/'), *name = slash ? slash + 1 : words[i];
		fprintf(truth, "reload_one (%s)\tplugin_work (%s)\t0\t0\n", file, name);
#define PAIR(caller, callee) truth_pair(truth, name, #caller, #callee, 0, 0);
		PAIR(plugin_work, k00)
		TEN(PAIR, k0)
	}
}

/* ---- which one */

static const struct corner {
	const char *name;
	int word_cnt;
	void (*work)(void);
	void (*truth)(FILE *truth, const char *file);
} corners[] = {
	{"vdso", 0, vdso, vdso_truth},
	{"crypto", 0, crypto, crypto_truth},
	{"reload", 2, reload, reload_truth},
};

int main(int argc, char **argv)
{
	const struct corner *corner = corners, *end = corners + sizeof(corners) / sizeof(*corners);

	while (argc >= 4 && corner < end && strcmp(corner->name, argv[3]))
		corner++;
	if (argc < 4 || corner == end || argc != 4 + corner->word_cnt)
		return 2;
	words = argv + 4;
	FILE *truth = fopen(argv[1], "w");
	if (!truth)
		return 1;
	truth_pair(truth, argv[2], "-", "main", 1, 4);
	truth_pair(truth, argv[2], "main", corner->name, 0, 0);
	corner->truth(truth, argv[2]);
	if (fclose(truth))
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;)
		corner->work();
}
