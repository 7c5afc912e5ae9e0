// ut_file.c - tests of usertests: files, as one process sees them.
#include "user/ut.h"

static void
open_flags(void)
{
  equal(open("f", O_RDONLY), -1, "open of a file that is not there");
  equal(open("f", O_RDWR | O_TRUNC), -1, "open with O_TRUNC of a file that is not there");
  mustclose(mustopen("f", O_CREATE | O_WRONLY));
  equal(info("f").size, 0, "size of a new file");
  save("f", 1, 3000);

  mustclose(mustopen("f", O_CREATE | O_RDWR));
  saved("f", 1, 3000);
  int fd = mustopen("f", O_RDWR);
  mustwrite(fd, "x", 1);
  equal(info("f").size, 3000, "size after a write at the beginning");
  mustclose(fd);
  fd = mustopen("f", O_WRONLY | O_TRUNC);
  equal(info("f").size, 0, "size after O_TRUNC");
  mustwrite(fd, "abc", 3);
  equal(info("f").size, 3, "size after a write");
  mustclose(fd);
  mustclose(mustopen("f", O_CREATE | O_TRUNC | O_RDWR));
  equal(info("f").size, 0, "size after O_CREATE | O_TRUNC");
}

static void
stat_tells(void)
{
  struct stat st;
  save("f", 1, 1234);
  st = info("f");
  expect(st.type == T_FILE && st.size == 1234 && st.nlink == 1 && st.dev == ROOTDEV && st.ino > ROOTINO,
         "stat of a file: type %d, size %lu, nlink %d, dev %d, ino %d", st.type, st.size, st.nlink, st.dev, st.ino);
  equal(link("f", "g"), 0, "link");
  equal(info("g").ino, st.ino, "inode of a link");
  st = info("/console");
  equal(st.type, T_DEVICE, "type of /console");
  st = info("/");
  expect(st.type == T_DIR && st.ino == ROOTINO, "stat of /: type %d, ino %d", st.type, st.ino);
  int end[2];
  newpipe(end);
  equal(fstat(end[0], &st), -1, "fstat of a pipe");
}

// All sizes around the first blocks, in two writes that meet at all places.
static void
write_small(void)
{
  static const int edges[] = {1, 2, BSIZE - 1, BSIZE, BSIZE + 1, 2 * BSIZE - 1, 2 * BSIZE, 2 * BSIZE + 1};
  for (int i = 0; i < COUNT(edges); i++) {
    for (int k = 0; k < COUNT(edges); k++) {
      int fd = mustopen("f", O_CREATE | O_TRUNC | O_RDWR);
      paint(buf, edges[i] + edges[k], i, 0);
      mustwrite(fd, buf, edges[i]);
      mustwrite(fd, buf + edges[i], edges[k]);
      mustclose(fd);
      saved("f", i, edges[i] + edges[k]);
    }
  }
  int fd = mustopen("g", O_CREATE | O_RDWR);
  for (int n = 1, at = 0; n < 130; at += n++) {
    paint(buf, n, 5, at);
    mustwrite(fd, buf, n);
  }
  saved("g", 5, 129 * 130 / 2);
}

// Reads of all sizes around a block find the same bytes.
static void
read_small(void)
{
  enum { SIZE = 5000 };
  static const int steps[] = {7, 500, BSIZE - 1, BSIZE, BSIZE + 1, 3000, BUFSIZE};
  save("f", 1, SIZE);
  for (int i = 0; i < COUNT(steps); i++) {
    int fd = mustopen("f", O_RDONLY);
    int at = 0;
    for (int got; (got = read(fd, buf, steps[i])) > 0; at += got) {
      equal(got, SIZE - at < steps[i] ? SIZE - at : steps[i], "bytes that a read brings");
      painted(buf, got, 1, at, "file");
    }
    equal(at, SIZE, "bytes in all");
    equal(read(fd, buf, 1), 0, "read at the end");
    mustclose(fd);
  }
}

// A write in the middle changes those bytes alone.
static void
write_middle(void)
{
  static char all[6000];
  static const int places[][2] = {{0, 1}, {1023, 2}, {1024, 1024}, {2000, 1500}, {5999, 1}, {1, 5000}};
  save("f", 0, sizeof(all));
  paint(all, sizeof(all), 0, 0);
  for (int i = 0; i < COUNT(places); i++) {
    int at = places[i][0], n = places[i][1];
    int fd = mustopen("f", O_RDWR);
    equal(readfull(fd, buf, at), at, "bytes before");
    paint(all + at, n, i + 1, at);
    mustwrite(fd, all + at, n);
    mustclose(fd);
    fd = mustopen("f", O_RDONLY);
    equal(readfull(fd, buf, BUFSIZE), sizeof(all), "size of the file");
    expect(memcmp(buf, all, sizeof(all)) == 0, "write of %d bytes at %d: the file is not as it should be", n, at);
    mustclose(fd);
  }
}

// A single write may be of many blocks: more than one log transaction holds.
static void
write_large(void)
{
  static const int sizes[] = {MAXOPBLOCKS * BSIZE, LOGBLOCKS * BSIZE, 33333, 100000};
  char *big = sbrk(100000);
  for (int i = 0; i < COUNT(sizes); i++) {
    int fd = mustopen("f", O_CREATE | O_TRUNC | O_RDWR);
    paint(big, sizes[i], i, 0);
    mustwrite(fd, big, 77);
    mustwrite(fd, big + 77, sizes[i] - 77);
    mustclose(fd);
    saved("f", i, sizes[i]);
    memset(big, 0, sizes[i]);
    fd = mustopen("f", O_RDONLY);
    equal(read(fd, big, sizes[i]), sizes[i], "one large read");
    painted(big, sizes[i], i, 0, "one large read");
    mustclose(fd);
  }
}

// The largest file, and not a byte more.
static void
largest_file(void)
{
  int fd = mustopen("f", O_CREATE | O_RDWR);
  for (int i = 0; i < MAXFILE; i++) {
    paint(buf, BSIZE, 1, i * BSIZE);
    mustwrite(fd, buf, BSIZE);
  }
  equal(write(fd, "x", 1), -1, "write beyond the largest size");
  mustclose(fd);
  saved("f", 1, MAXFILE * BSIZE);

  fd = mustopen("f", O_RDWR);
  for (int i = 0; i < MAXFILE - 1; i++)
    equal(read(fd, buf, BSIZE), BSIZE, "read of a block");
  equal(write(fd, buf, 2 * BSIZE), -1, "write over the largest size");
  equal(info("f").size, MAXFILE * BSIZE, "size of the largest file");
  mustclose(fd);
  mustclose(mustopen("f", O_TRUNC | O_RDWR));
  equal(info("f").size, 0, "size after O_TRUNC");
}

// Truncated while open elsewhere: no stale bytes, and no hole.
static void
truncate_while_open(void)
{
  save("f", 1, 5000);
  int reader = mustopen("f", O_RDONLY);
  int writer = mustopen("f", O_RDWR);
  equal(read(reader, buf, 3000), 3000, "read before truncation");
  equal(read(writer, buf, 3000), 3000, "read before truncation");
  int again = mustopen("f", O_TRUNC | O_WRONLY);

  equal(read(reader, buf, 100), 0, "read after truncation");
  equal(write(writer, "x", 1), -1, "write past the end, which would leave a hole");
  equal(info("f").size, 0, "size after truncation");
  paint(buf, 3500, 2, 0);
  mustwrite(again, buf, 3500);
  equal(read(reader, buf, 1000), 500, "read of what was written since");
  painted(buf, 500, 2, 3000, "file");
  mustclose(reader);
  mustclose(writer);
  mustclose(again);
  saved("f", 2, 3500);
}

static void
offset_shared(void)
{
  save("f", 1, 100);
  int fd = mustopen("f", O_RDONLY);
  int twin = dup(fd);
  int apart = mustopen("f", O_RDONLY);
  equal(read(fd, buf, 10), 10, "read");
  int pid = child();
  if (pid == 0) {
    equal(read(twin, buf, 20), 20, "read in a child");
    painted(buf, 20, 1, 10, "file, in a child");
    exit(0);
  }
  ends(pid, 0);
  equal(read(twin, buf, 10), 10, "read of a duplicate");
  painted(buf, 10, 1, 30, "file, through a duplicate");
  mustclose(fd);
  equal(read(twin, buf, 100), 60, "read after the other is closed");
  equal(read(apart, buf, 5), 5, "read of a file opened again");
  painted(buf, 5, 1, 0, "file, opened again");
}

// A file without a name lives as long as it is open.
static void
unlink_while_open(void)
{
  save("f", 1, 2000);
  int fd = mustopen("f", O_RDWR);
  equal(unlink("f"), 0, "unlink");
  equal(open("f", O_RDONLY), -1, "open of an unlinked file");
  save("f", 2, 100);

  equal(read(fd, buf, 1500), 1500, "read of an unlinked file");
  painted(buf, 1500, 1, 0, "unlinked file");
  paint(buf, 3000, 3, 0);
  mustwrite(fd, buf, 3000);
  struct stat st;
  equal(fstat(fd, &st), 0, "fstat");
  equal(st.size, 4500, "size of an unlinked file");
  equal(st.nlink, 0, "links of an unlinked file");
  mustclose(fd);
  saved("f", 2, 100);
}

static void
link_rules(void)
{
  save("a", 1, 500);
  equal(mkdir("d"), 0, "mkdir");
  equal(link("a", "b"), 0, "link");
  equal(link("a", "d/c"), 0, "link into a directory");
  equal(info("d/c").nlink, 3, "links of a file with three names");
  equal(link("a", "b"), -1, "link to a name that exists");
  equal(link("a", "a"), -1, "link to itself");
  equal(link("a", "d"), -1, "link to a directory's name");
  equal(link("d", "e"), -1, "link of a directory");
  equal(link("missing", "e"), -1, "link of a file that is not there");
  equal(link("a", "missing/e"), -1, "link into a directory that is not there");
  equal(link("a", "b/e"), -1, "link into a file");
  equal(info("a").nlink, 3, "links after calls that failed");

  equal(unlink("a"), 0, "unlink");
  equal(unlink("a"), -1, "unlink of a name that has gone");
  saved("d/c", 1, 500);
  save("b", 2, 600);
  saved("d/c", 2, 600);
  equal(unlink("b"), 0, "unlink");
  equal(info("d/c").nlink, 1, "links of the last name");
}

// DIRSIZ characters of a name count; what follows does not.
static void
long_names(void)
{
  save("abcdefghijklmn", 1, 10);
  save("abcdefghijklm", 2, 20);
  saved("abcdefghijklmn", 1, 10);
  saved("abcdefghijklmnop", 1, 10);
  equal(link("abcdefghijklm", "abcdefghijklmnXYZ"), -1, "link to a name whose first 14 characters exist");
  equal(unlink("abcdefghijklmnQ"), 0, "unlink");
  equal(exists("abcdefghijklmn"), 0, "existence of an unlinked file");
  saved("abcdefghijklm", 2, 20);
  equal(mkdir("12345678901234"), 0, "mkdir");
  save("12345678901234567/x", 3, 30);
  saved("12345678901234/x", 3, 30);
  equal(mkdir("1234567890123456"), -1, "mkdir of a name whose first 14 characters exist");
}

static void
descriptors_lowest(void)
{
  int first = mustopen("f", O_CREATE | O_RDWR);
  equal(dup(first), first + 1, "dup");
  equal(mustopen("f", O_RDONLY), first + 2, "open");
  mustclose(first + 1);
  int end[2];
  newpipe(end);
  equal(end[0], first + 1, "first end of a pipe");
  equal(end[1], first + 3, "second end of a pipe");
  mustclose(first);
  equal(dup(end[1]), first, "dup into the lowest descriptor");
}

static void
device_rules(void)
{
  equal(mknod("odd", 7, 1), 0, "mknod");
  equal(mknod("odd", 7, 1), -1, "mknod of a name that exists");
  equal(info("odd").type, T_DEVICE, "type of a device");
  int fd = mustopen("odd", O_RDWR);
  equal(read(fd, buf, 1), -1, "read of a device without a driver");
  equal(write(fd, buf, 1), -1, "write to a device without a driver");
  mustclose(fd);
  equal(mknod("high", NDEV, 0), 0, "mknod");
  equal(open("high", O_RDONLY), -1, "open of a device whose number is too high");
  equal(mknod("low", -1, 0), 0, "mknod");
  equal(open("low", O_RDONLY), -1, "open of a device whose number is negative");
  equal(mknod("second", 1, 0), 0, "mknod");
  fd = mustopen("second", O_WRONLY | O_TRUNC);
  equal(write(fd, "", 0), 0, "write of nothing to the console");
  equal(unlink("odd"), 0, "unlink of a device");
}

// Files come and go by the hundred; their contents don't mix.
static void
many_files(void)
{
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 50; i++)
      save(numbered("m", i), i + round, 10 + i * 37);
    for (int i = 0; i < 50; i++)
      saved(numbered("m", i), i + round, 10 + i * 37);
    for (int i = round % 2; i < 50; i += 2)
      equal(unlink(numbered("m", i)), 0, "unlink");
    for (int i = 0; i < 50; i++)
      equal(exists(numbered("m", i)), i % 2 != round % 2, "existence of every second file");
  }
}

struct test file_tests[] = {
  QUICK(open_flags),
  QUICK(stat_tells),
  QUICK(write_small),
  QUICK(read_small),
  QUICK(write_middle),
  QUICK(write_large),
  QUICK(largest_file),
  QUICK(truncate_while_open),
  QUICK(offset_shared),
  QUICK(unlink_while_open),
  QUICK(link_rules),
  QUICK(long_names),
  QUICK(descriptors_lowest),
  QUICK(device_rules),
  QUICK(many_files),
  END_OF_TESTS
};
