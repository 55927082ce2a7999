// SPDX-License-Identifier: Apache-2.0
// sh, mkdir and cp in one program without a C library: just enough to run, in a very small image, what KMM runs there:
//
//     sh -c 'mkdir -p DIR; cp -R SOURCE DIR; mkdir -p DIR; cp -R SOURCE/* DIR;'
//
// The name it is called by says which of the three it is. sh knows commands, words, `;`, ends of lines and a final `*`;
// it ends with the status of the last command, as a shell does. Anything else is an error.
typedef unsigned long size;
enum { PATH = 4096, WORDS = 256, BUFFER = 65536 };
enum { AT_FDCWD = -100, O_CREATE = 0101, O_TRUNC = 01000, NOFOLLOW = 0x100, EEXIST = 17 };
enum { TYPE = 0170000, FOLDER = 0040000, FILE = 0100000, LINK = 0120000 };

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, CLONE = 56, EXECVE = 59, WAIT4 = 61, GETDENTS = 217, EXIT = 231, OPENAT = 257,
       MKDIRAT = 258, SYMLINKAT = 266, READLINKAT = 267, STATX = 332 };
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start");

static long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { MKDIRAT = 34, SYMLINKAT = 36, OPENAT = 56, CLOSE = 57, GETDENTS = 61, READ = 63, WRITE = 64, READLINKAT = 78,
       EXIT = 94, CLONE = 220, EXECVE = 221, WAIT4 = 260, STATX = 291 };
__asm__(".globl _start\n_start: mov x0, sp\n bl start");

static long call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = e;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
#endif

struct statx {
	unsigned int head[7];
	unsigned short mode;
	unsigned char rest[226];
};

struct entry {
	unsigned long inode, next;
	unsigned short length;
	unsigned char type;
	char name[];
};

static char **environment;

static size length(const char *text)
{
	size n = 0;

	while (text[n])
		n++;
	return n;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static const char *last_part(const char *path)
{
	const char *part = path;

	for (; *path; path++)
		if (*path == '/' && path[1])
			part = path + 1;
	return part;
}

static int complain(const char *what, const char *about)
{
	call(WRITE, 2, (long)what, length(what), 0, 0);
	call(WRITE, 2, (long)": ", 2, 0, 0);
	call(WRITE, 2, (long)about, length(about), 0, 0);
	call(WRITE, 2, (long)"\n", 1, 0, 0);
	return 1;
}

/* Writes FOLDER/NAME; an empty path if it is too long. */
static void join(char out[PATH], const char *folder, const char *name)
{
	size n = 0;

	if (length(folder) + length(name) + 2 > PATH)
		folder = name = "";
	while (*folder)
		out[n++] = *folder++;
	out[n++] = '/';
	while (*name)
		out[n++] = *name++;
	out[n] = 0;
}

static int mode_of(const char *path, int flags)
{
	struct statx s;

	return call(STATX, AT_FDCWD, (long)path, flags, 3, (long)&s) ? 0 : s.mode;
}

/* mkdir -p */
static int make_folders(const char *path)
{
	char part[PATH];
	size n;
	long failed = 0;

	if (length(path) >= PATH)
		return complain("mkdir: name too long", path);
	for (n = 0; path[n]; n++) {
		part[n] = path[n];
		part[n + 1] = 0;
		if (path[n + 1] == '/' || !path[n + 1])
			failed = call(MKDIRAT, AT_FDCWD, (long)part, 0755, 0, 0);
	}
	return failed && failed != -EEXIST ? complain("mkdir: cannot create", path) : 0;
}

static int copy(const char *from, const char *to);

/* Calls `act` for each entry of a folder that is not hidden, or for each at all. */
static int each(const char *folder, int hidden, int (*act)(const char *, const char *, void *), void *with)
{
	char buffer[4096] __attribute__((aligned(8)));
	long fd = call(OPENAT, AT_FDCWD, (long)folder, 0, 0, 0), got, at;
	int failed = fd < 0;

	while (fd >= 0 && (got = call(GETDENTS, fd, (long)buffer, sizeof(buffer), 0, 0)) > 0) {
		struct entry *entry;

		for (at = 0; at < got; at += entry->length) {
			entry = (struct entry *)(buffer + at);
			if (same(entry->name, ".") || same(entry->name, "..") || (!hidden && entry->name[0] == '.'))
				continue;
			failed |= act(folder, entry->name, with);
		}
	}
	call(CLOSE, fd, 0, 0, 0, 0);
	return failed;
}

static int copy_entry(const char *folder, const char *name, void *to)
{
	char source[PATH], target[PATH];

	join(source, folder, name);
	join(target, to, name);
	return copy(source, target);
}

static int copy_file(const char *from, const char *to, int mode)
{
	static char buffer[BUFFER];
	long in = call(OPENAT, AT_FDCWD, (long)from, 0, 0, 0), got;
	long out = call(OPENAT, AT_FDCWD, (long)to, O_CREATE | O_TRUNC, mode, 0);

	while (in >= 0 && out >= 0 && (got = call(READ, in, (long)buffer, BUFFER, 0, 0)) != 0)
		if (got < 0 || call(WRITE, out, (long)buffer, got, 0, 0) != got)
			return complain("cp: cannot copy", from);
	call(CLOSE, in, 0, 0, 0, 0);
	call(CLOSE, out, 0, 0, 0, 0);
	return in < 0 || out < 0 ? complain("cp: cannot copy", from) : 0;
}

static int copy_link(const char *from, const char *to)
{
	char target[PATH];
	long n = call(READLINKAT, AT_FDCWD, (long)from, (long)target, PATH - 1, 0);

	if (n < 0)
		return complain("cp: cannot read link", from);
	target[n] = 0;
	return call(SYMLINKAT, (long)target, AT_FDCWD, (long)to, 0, 0) ? complain("cp: cannot link", to) : 0;
}

static int copy(const char *from, const char *to)
{
	int mode = mode_of(from, NOFOLLOW);

	switch (mode & TYPE) {
	case FOLDER:
		return make_folders(to) || each(from, 1, copy_entry, (void *)to);
	case FILE:
		return copy_file(from, to, mode & 0777);
	case LINK:
		return copy_link(from, to);
	case 0:
		return complain("cp: no such file or folder", from);
	default:
		return complain("cp: neither file, folder nor link", from);
	}
}

static int mkdir_main(int count, char **words)
{
	int i, failed = 0;

	if (count < 3 || !same(words[1], "-p"))
		return complain("usage", "mkdir -p DIR...");
	for (i = 2; i < count; i++)
		failed |= make_folders(words[i]);
	return failed;
}

static int cp_main(int count, char **words)
{
	char target[PATH];
	int i, failed = 0;

	if (count < 4 || !same(words[1], "-R"))
		return complain("usage", "cp -R SOURCE... DIR");
	for (i = 2; i < count - 1; i++) {
		join(target, words[count - 1], last_part(words[i]));
		failed |= copy(words[i], target);
	}
	return failed;
}

struct command {
	char *words[WORDS];
	int count;
	char names[BUFFER];
	size used;
};

static int add_word(const char *folder, const char *name, void *with)
{
	struct command *command = with;
	size room = length(folder) + length(name) + 2;

	if (command->count >= WORDS - 1 || room > PATH || command->used + room > BUFFER)
		return complain("sh: too many words", name);
	join(command->names + command->used, folder, name);
	command->words[command->count++] = command->names + command->used;
	command->used += room;
	return 0;
}

/* A word as it stands, or, where it ends in a slash and a star, the names in that folder if there are any. */
static void take_word(struct command *command, char *word)
{
	size n = length(word);
	int before = command->count;

	if (n > 2 && word[n - 1] == '*' && word[n - 2] == '/') {
		word[n - 2] = 0;
		each(word, 0, add_word, command);
		word[n - 2] = '/';
	}
	if (command->count == before && command->count < WORDS - 1)
		command->words[command->count++] = word;
}

static int run(struct command *command)
{
	char path[PATH];
	int status = 0;
	long child;

	if (!command->count)
		return 0;
	command->words[command->count] = 0;
	join(path, "/usr/bin", command->words[0]);
	child = call(CLONE, 17, 0, 0, 0, 0);
	if (child == 0) {
		call(EXECVE, (long)path, (long)command->words, (long)environment, 0, 0);
		complain("sh: not found", command->words[0]);
		call(EXIT, 127, 0, 0, 0, 0);
	}
	if (child < 0 || call(WAIT4, child, (long)&status, 0, 0, 0) < 0)
		return complain("sh: cannot run", command->words[0]);
	return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}

static int sh_main(int count, char **words)
{
	static struct command command;
	char *at, *word = 0;
	int status = 0, end;

	if (count < 3 || !same(words[1], "-c"))
		return complain("usage", "sh -c COMMANDS");
	for (at = words[2];; at++) {
		end = !*at;
		if (*at && *at != ' ' && *at != '\t' && *at != '\n' && *at != ';') {
			word = word ? word : at;
			continue;
		}
		int command_ends = end || *at == '\n' || *at == ';';

		*at = 0;
		if (word)
			take_word(&command, word);
		word = 0;
		if (command_ends && command.count) {
			status = run(&command);
			command.count = 0;
			command.used = 0;
		}
		if (end)
			return status;
	}
}

__attribute__((noreturn, used)) void start(long *stack)
{
	int count = stack[0], status;
	char **words = (char **)(stack + 1);
	const char *name = count ? last_part(words[0]) : "";

	environment = words + count + 1;
	if (same(name, "sh"))
		status = sh_main(count, words);
	else if (same(name, "mkdir"))
		status = mkdir_main(count, words);
	else if (same(name, "cp"))
		status = cp_main(count, words);
	else
		status = complain("not one of sh, mkdir, cp", name);
	for (;;)
		call(EXIT, status, 0, 0, 0, 0);
}
