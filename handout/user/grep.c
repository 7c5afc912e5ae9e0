// grep.c - prints the lines that match a pattern: ^ and $ for the ends, . for any character, x* for any number of x.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

// The pattern is a row of items. A set of places in the row, one bit for each, says how far
// a match may have got; each character of the line moves the whole set on. So the time
// grows with the line alone, whatever the pattern.
#define MAXITEMS 63

static struct {
  int items;
  char what[MAXITEMS];       // the character that fits; '.' any
  char repeated[MAXITEMS];   // it may come any number of times
  int atstart;               // the match must begin where the line does,
  int atend;                 // and end where it ends
} pattern;

// Returns 0, or -1 if there are too many items.
static int
parse(const char *s)
{
  pattern.atstart = (*s == '^');
  for (s += pattern.atstart; *s; s++) {
    if (*s == '$' && s[1] == 0) {
      pattern.atend = 1;
    } else if (*s == '*' && pattern.items > 0 && !pattern.repeated[pattern.items - 1]) {
      pattern.repeated[pattern.items - 1] = 1;
    } else {
      if (pattern.items == MAXITEMS)
        return -1;
      pattern.what[pattern.items++] = *s;
    }
  }
  return 0;
}

// Add the places that are reached by taking repeated items no times.
static uint64
skiprepeated(uint64 places)
{
  for (int i = 0; i < pattern.items; i++)
    if ((places >> i & 1) && pattern.repeated[i])
      places |= 1UL << (i + 1);
  return places;
}

static uint64
advance(uint64 places, char c)
{
  uint64 after = 0;

  for (int i = 0; i < pattern.items; i++)
    if ((places >> i & 1) && (pattern.what[i] == '.' || pattern.what[i] == c))
      after |= 1UL << (pattern.repeated[i] ? i : i + 1);
  return after;
}

static int
matches(const char *line)
{
  uint64 end = 1UL << pattern.items;
  uint64 places = skiprepeated(1);

  for (; *line; line++) {
    if ((places & end) && !pattern.atend)
      return 1;
    places = advance(places, *line);
    if (!pattern.atstart)
      places |= 1;
    places = skiprepeated(places);
  }
  return (places & end) != 0;
}

// What is read and not yet searched; it grows to hold the longest line.
static char *text;
static int room;
static int length;

// Make room for more text. Returns 0, or -1 if memory is out.
static int
enlarge(void)
{
  char *larger = malloc(2 * room + 1024);

  if (larger == 0)
    return -1;
  memcpy(larger, text, length);
  free(text);
  text = larger;
  room = 2 * room + 1024;
  return 0;
}

// Print what matches in the lines of text, and drop them. Returns how many matched.
static int
searchlines(void)
{
  int found = 0;
  char *line = text;
  char *end;

  text[length] = 0;
  while ((end = strchr(line, '\n')) != 0) {
    *end = 0;
    if (matches(line)) {
      found++;
      printf("%s\n", line);
    }
    line = end + 1;
  }
  length = text + length - line;
  memmove(text, line, length);
  return found;
}

// Returns how many lines matched, or -1 with a message.
static int
search(int fd, const char *name)
{
  int found = 0;
  int n = 0;

  length = 0;
  do {
    length += n;
    if (length > 0)
      found += searchlines();
    if (room - length < 512 && enlarge() < 0) {
      fprintf(2, "grep: %s: line too long\n", name);
      return -1;
    }
  } while ((n = read(fd, text + length, room - length - 2)) > 0);
  if (n < 0) {
    fprintf(2, "grep: cannot read %s\n", name);
    return -1;
  }
  if (length > 0) {   // the last line lacks its end
    text[length++] = '\n';
    found += searchlines();
  }
  return found;
}

// Exit status: 0 if a line matched, 1 if none did, 2 after an error.
int
main(int argc, char *argv[])
{
  int found = 0;
  int failed = 0;

  if (argc < 2) {
    fprintf(2, "usage: grep pattern [file...]\n");
    return 2;
  }
  if (parse(argv[1]) < 0) {
    fprintf(2, "grep: pattern longer than %d characters\n", MAXITEMS);
    return 2;
  }
  for (int i = 2; i < argc || i == 2; i++) {
    const char *name = i < argc ? argv[i] : "standard input";
    int fd = i < argc ? open(name, O_RDONLY) : 0;
    if (fd < 0)
      fprintf(2, "grep: cannot open %s\n", name);
    int n = fd < 0 ? -1 : search(fd, name);
    if (n < 0)
      failed = 1;
    else
      found += n;
    if (fd > 0)
      close(fd);
  }
  return failed ? 2 : found == 0;
}
