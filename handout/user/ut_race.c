// ut_race.c - tests of usertests: files, directories and the log, used by several processes at once.
#include "user/ut.h"

// How many entries of this name the current directory has.
static int
entries(const char *name)
{
  struct dirent entry;
  char text[DIRSIZ + 1] = "";
  int count = 0;
  int fd = mustopen(".", O_RDONLY);
  while (readfull(fd, &entry, sizeof(entry)) == sizeof(entry)) {
    memmove(text, entry.name, DIRSIZ);
    count += entry.inum != 0 && strcmp(text, name) == 0;
  }
  mustclose(fd);
  return count;
}

static void
createsame(long who)
{
  for (int i = 0; i < 50; i++) {
    int fd = mustopen("same", O_CREATE | O_RDWR);
    mustwrite(fd, "x", 1);
    mustclose(fd);
    if ((i + who) % 3 == 0)
      unlink("same");
  }
}

// One name, made and removed by four processes: there is never a second entry.
static void
create_race(void)
{
  crowd(4, createsame);
  int n = entries("same");
  expect(n <= 1, "one name has %d entries", n);
  equal(unlink("same"), n - 1, "unlink of that name");
}

static void
linksame(long who)
{
  char *name = numbered("n", who % 2);
  for (int i = 0; i < 30; i++) {
    link("base", name);
    unlink(name);
    link("base", "common");
    if (i % 4 == who)
      unlink("common");
    saved("base", 1, 50);
  }
}

// The count of links agrees with the names that are left.
static void
link_race(void)
{
  save("base", 1, 50);
  crowd(4, linksame);
  equal(info("base").nlink, 1 + entries("n0") + entries("n1") + entries("common"), "links of a file");
}

static void
makedirs(long who)
{
  for (int i = 0; i < 25; i++) {
    mkdir("d");
    int fd = open("d/f", O_CREATE | O_RDWR);
    if (fd >= 0)
      mustclose(fd);
    mkdir("d/e");
    unlink("d/f");
    unlink("d/e");
    unlink("d");
  }
}

// A directory that one process fills while others remove it.
static void
mkdir_race(void)
{
  int links = info(".").nlink;
  crowd(4, makedirs);
  unlink("d/f");
  unlink("d/e");
  unlink("d");
  equal(entries("d"), 0, "entries of a removed directory");
  equal(info(".").nlink, links, "links of the parent directory");
}

static void
writeown(long who)
{
  char *name = numbered("own", who);
  for (int round = 0; round < 2; round++) {
    int fd = mustopen(name, O_CREATE | O_TRUNC | O_WRONLY);
    for (int at = 0; at < 40000; at += 500) {
      paint(buf, 500, who, at);
      mustwrite(fd, buf, 500);
    }
    mustclose(fd);
    saved(name, who, 40000);
  }
}

static void
files_apart(void)
{
  crowd(4, writeown);
  for (int i = 0; i < 4; i++)
    saved(numbered("own", i), i, 40000);
}

static int shared;   // a descriptor that all children have

static void
append(long who)
{
  char record[100];
  for (int i = 0; i < 50; i++) {
    memset(record, 'a' + who, sizeof(record));
    mustwrite(shared, record, sizeof(record));
  }
}

// Writes through one descriptor: each record is whole, and none overwrites another.
static void
append_race(void)
{
  enum { WRITERS = 5, RECORD = 100 };
  int count[WRITERS] = {0};
  shared = mustopen("log", O_CREATE | O_RDWR);
  crowd(WRITERS, append);
  equal(info("log").size, WRITERS * 50 * RECORD, "size of the file");

  int fd = mustopen("log", O_RDONLY);
  while (readfull(fd, buf, RECORD) == RECORD) {
    int who = buf[0] - 'a';
    expect(who >= 0 && who < WRITERS, "a record that nobody wrote: 0x%x", (uchar)buf[0]);
    for (int i = 1; i < RECORD; i++)
      equal(buf[i], buf[0], "byte of a record");
    count[who]++;
  }
  for (int i = 0; i < WRITERS; i++)
    equal(count[i], 50, "records of a writer");
}

static void
readgrowing(long who)
{
  int fd = mustopen("grow", who == 0 ? O_RDWR : O_RDONLY);
  int at = 0;
  while (at < 60000) {
    int n = who == 0 ? 3000 : read(fd, buf, 1 + who * 700);
    if (who == 0) {
      paint(buf, n, 9, at);
      mustwrite(fd, buf, n);
    } else {
      painted(buf, n, 9, at, "growing file");
    }
    at += n;
  }
}

// Readers follow a writer, and never see bytes that it has not written.
static void
read_while_growing(void)
{
  mustclose(mustopen("grow", O_CREATE | O_RDWR));
  crowd(3, readgrowing);
}

static void
churn(long who)
{
  char *name = numbered("c", who);
  for (int i = 0; i < 8; i++) {
    save(name, i, 100 + i * 3500);
    saved(name, i, 100 + i * 3500);
    equal(unlink(name), 0, "unlink");
    equal(mkdir(name), 0, "mkdir");
    equal(unlink(name), 0, "unlink of a directory");
  }
}

// More at once than the log holds.
static void
log_crowd(void)
{
  crowd(8, churn);
}

static void
fullop(long who)
{
  int fd = mustopen(numbered("big", who), O_CREATE | O_RDWR);
  for (int i = 0; i < 10; i++) {
    int n = MAXOPBLOCKS * BSIZE / 2 + 1 + i;
    paint(buf, n, who, i);
    mustwrite(fd, buf, n);
  }
  mustclose(fd);
}

// Each of several processes writes as much as one operation may.
static void
log_full_operations(void)
{
  crowd(6, fullop);
  for (int i = 0; i < 6; i++)
    equal(info(numbered("big", i)).size, 10 * (MAXOPBLOCKS * BSIZE / 2 + 1) + 45, "size of a file");
}

static void
walk(long who)
{
  static char *paths[] = {"a/b/../../a/b/x", "a/../a/b/..", "a/b/../b/../../y", "./a/./../a/b"};
  for (int i = 0; i < 40; i++) {
    if (who % 2) {
      exists(paths[(i + who) % COUNT(paths)]);
    } else if (mkdir("a/b") == 0) {
      link("f", "a/b/x");
      unlink("a/b/x");
      unlink("a/b");
    } else if (chdir("a/b") == 0) {
      unlink("../b");
      equal(chdir(ROOM), 0, "chdir");
    }
  }
}

// Paths up and down while the directories on them come and go.
static void
path_race(void)
{
  save("f", 1, 10);
  equal(mkdir("a"), 0, "mkdir");
  crowd(6, walk);
  unlink("a/b/x");
  unlink("a/b");
  equal(unlink("a"), 0, "unlink of a directory that is empty");
  equal(info("f").nlink, 1, "links of a file");
}

static void
linkacross(long who)
{
  char *from = who % 2 ? "p/f" : "q/f";
  char to[] = "q/g0";
  to[0] = who % 2 ? 'q' : 'p';
  to[3] += who;
  for (int i = 0; i < 30; i++) {
    equal(link(from, to), 0, "link");
    equal(unlink(to), 0, "unlink");
  }
}

// Links from one directory to another, in both directions.
static void
link_across(void)
{
  equal(mkdir("p"), 0, "mkdir");
  equal(mkdir("q"), 0, "mkdir");
  save("p/f", 1, 10);
  save("q/f", 2, 10);
  crowd(4, linkacross);
  equal(info("p/f").nlink, 1, "links of a file");
  equal(info("q/f").nlink, 1, "links of a file");
}

static void
openunlinked(long who)
{
  char *name = numbered("u", who);
  for (int i = 0; i < 25; i++) {
    int fd = mustopen(name, O_CREATE | O_RDWR);
    equal(unlink(name), 0, "unlink");
    paint(buf, 1500, who, i);
    mustwrite(fd, buf, 1500);
    struct stat st;
    equal(fstat(fd, &st), 0, "fstat");
    equal(st.size, 1500, "size of an unlinked file");
    mustclose(fd);
  }
}

// Inodes that are freed by one process and taken by the next at once.
static void
inode_reuse(void)
{
  crowd(5, openunlinked);
}

static void
closeall(void)
{
  for (int fd = shared; fd < NOFILE; fd++)
    close(fd);
}

// Many processes let go of the same open files.
static void
close_race(void)
{
  for (int round = 0; round < 10; round++) {
    shared = mustopen("f", O_CREATE | O_RDWR);
    while (dup(shared) >= 0)
      ;
    equal(unlink("f"), 0, "unlink");
    for (int i = 0; i < 6; i++) {
      if (child() == 0) {
        closeall();
        exit(0);
      }
    }
    closeall();
    endall(6);
  }
}

// What a process should find in its files: 0 bytes if there is none.
struct model {
  int seed;
  int size;
};

// One random step on a file, and on what should be in it.
static void
step(char *name, struct model *m, uint *state)
{
  uint what = rnd(state) % 8;
  if (what < 3) {
    m->seed = rnd(state) % 100;
    m->size = 1 + rnd(state) % 20000;
    save(name, m->seed, m->size);
  } else if (m->size == 0) {
    equal(open(name, O_RDWR), -1, "open of a file that should not be there");
  } else if (what < 5) {
    saved(name, m->seed, m->size);
  } else if (what < 7) {
    equal(link(name, "moved"), 0, "link");
    equal(unlink(name), 0, "unlink");
    equal(link("moved", name), 0, "link");
    equal(unlink("moved"), 0, "unlink");
  } else {
    equal(unlink(name), 0, "unlink");
    m->size = 0;
  }
}

// Something else to do meanwhile, that takes and gives back memory, processes and pipes.
static void
noise(uint *state)
{
  uint what = rnd(state) % 4;
  int pid = child();
  if (pid == 0) {
    int end[2];
    char *heap = sbrklazy(100 * PGSIZE);
    for (int i = 0; i < 100; i += 1 + what * 7)
      heap[i * PGSIZE] = 1;
    newpipe(end);
    mustwrite(end[1], heap, 1000);
    if (what == 0)
      exit(0);
    for (;;)
      read(end[0], heap, 300);
  }
  if (what != 0)
    kill(pid);
  ends(pid, what == 0 ? 0 : -1);
}

static void
randomsteps(long who)
{
  struct model models[6] = {{0, 0}};
  uint state = who * 1000 + 1;
  char *home = numbered("home", who);
  equal(mkdir(home), 0, "mkdir");
  equal(chdir(home), 0, "chdir");
  for (int i = 0; i < 120; i++) {
    int k = rnd(&state) % COUNT(models);
    step(numbered("r", k), &models[k], &state);
    if (i % 10 == 0)
      noise(&state);
  }
  for (int k = 0; k < COUNT(models); k++)
    if (models[k].size > 0)
      saved(numbered("r", k), models[k].seed, models[k].size);
}

// Processes that each know what their files should hold, and do at random what files allow.
static void
random_files(void)
{
  crowd(5, randomsteps);
}

struct test race_tests[] = {
  QUICK(create_race),
  QUICK(link_race),
  QUICK(mkdir_race),
  QUICK(files_apart),
  QUICK(append_race),
  QUICK(read_while_growing),
  QUICK(log_crowd),
  QUICK(log_full_operations),
  QUICK(path_race),
  QUICK(link_across),
  QUICK(inode_reuse),
  QUICK(close_race),
  SLOW(random_files),
  END_OF_TESTS
};
