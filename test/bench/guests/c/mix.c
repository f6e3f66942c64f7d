// Integer work in the manner of CoreMark: a linked list that is searched and sorted, matrices, a state machine over
// text, and a CRC over all results.
#include "bench.h"

typedef struct Node {
  struct Node *next;
  i32 key;
  u32 value;
} Node;

#define NODES 200
#define N 24
#define TEXT 600

static Node *first;
static i16 a[N][N], b[N][N];
static i32 c[N][N];
static u8 text[TEXT];

static u16 crc16(u16 crc, u32 value, int bytes) {
  for (int i = 0; i < bytes; i++, value >>= 8) {
    u8 byte = value;
    for (int bit = 0; bit < 8; bit++, byte >>= 1) {
      int carry = (crc ^ byte) & 1;
      crc >>= 1;
      if (carry) crc ^= 0xa001;
    }
  }
  return crc;
}

// Merge sort from the bottom up.
static Node *sort(Node *list, int by_value) {
  for (int width = 1;; width *= 2) {
    Node *p = list, *tail = 0;
    int merges = 0;
    list = 0;
    while (p) {
      Node *q = p;
      int p_size = 0, q_size = width;
      merges++;
      for (int i = 0; i < width && q; i++, p_size++) q = q->next;
      while (p_size > 0 || (q_size > 0 && q)) {
        Node *e;
        int take_p = p_size > 0 && (q_size == 0 || !q || (by_value ? p->value <= q->value : p->key <= q->key));
        if (take_p) {
          e = p;
          p = p->next;
          p_size--;
        } else {
          e = q;
          q = q->next;
          q_size--;
        }
        if (tail) tail->next = e;
        else list = e;
        tail = e;
      }
      p = q;
    }
    tail->next = 0;
    if (merges <= 1) return list;
  }
}

static Node *reverse(Node *list) {
  Node *out = 0;
  while (list) {
    Node *next = list->next;
    list->next = out;
    out = list;
    list = next;
  }
  return out;
}

static u16 lists(u16 crc, u32 seed) {
  u32 found = 0;
  for (int i = 0; i < 20; i++) {
    i32 wanted = (seed + i * 37) % (NODES + 20);
    Node *n = first;
    while (n && n->key != wanted) n = n->next;
    if (n) {
      found++;
      n->value = n->value * 5 + i;
    }
    first = reverse(first);
  }
  crc = crc16(crc, found, 4);
  first = sort(first, 1);
  crc = crc16(crc, first->value, 4);
  first = sort(first, 0);
  for (Node *n = first; n; n = n->next) crc = crc16(crc, n->value, 1);
  return crc;
}

static u16 matrices(u16 crc, i32 factor) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] += factor;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      i32 sum = 0;
      for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  i32 total = 0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      total += (c[i][j] >> 2) & 0x7f;
      if (total > 5000) total -= 4999;
      else if (c[i][j] > c[j][i]) total += 10;
    }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] -= factor;
  return crc16(crc, total, 4);
}

enum State { START, INTEGER, FRACTION, EXPONENT, SIGN, SCIENTIFIC, INVALID, STATES };

static u16 machine(u16 crc, u32 step) {
  u32 counts[STATES] = {0};
  enum State state = START;
  for (u32 i = 0; i < TEXT; i++) {
    u8 ch = text[i];
    if (ch == ',') {
      counts[state]++;
      state = START;
      continue;
    }
    int digit = ch >= '0' && ch <= '9';
    switch (state) {
      case START:
        state = digit ? INTEGER : ch == '+' || ch == '-' ? SIGN : ch == '.' ? FRACTION : INVALID;
        break;
      case SIGN:
        state = digit ? INTEGER : ch == '.' ? FRACTION : INVALID;
        break;
      case INTEGER:
        if (ch == '.') state = FRACTION;
        else if (!digit) state = INVALID;
        break;
      case FRACTION:
        if (ch == 'e' || ch == 'E') state = EXPONENT;
        else if (!digit) state = INVALID;
        break;
      case EXPONENT:
        state = ch == '+' || ch == '-' || digit ? SCIENTIFIC : INVALID;
        break;
      case SCIENTIFIC:
        if (!digit) state = INVALID;
        break;
      default:
        break;
    }
  }
  for (u32 i = step % 7; i < TEXT; i += 7)
    if (text[i] != ',') text[i] ^= 1;
  for (int i = 0; i < STATES; i++) crc = crc16(crc, counts[i], 2);
  return crc;
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 88172645463325252ul;
  Node *nodes = allocate(NODES * sizeof(Node));
  for (int i = 0; i < NODES; i++) {
    nodes[i] = (Node){first, i, (u32)next_random(&r) >> 8};
    first = &nodes[i];
  }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = next_random(&r) % 200 - 100;
      b[i][j] = next_random(&r) % 200 - 100;
    }
  for (int i = 0; i < TEXT; i++) text[i] = "0123456789+-.eE,,,xx0123456789.."[next_random(&r) % 32];
}

u64 work(u64 rounds) {
  u16 crc = 0xffff;
  for (u64 i = 0; i < rounds; i++) {
    crc = lists(crc, i);
    crc = matrices(crc, i & 15);
    crc = machine(crc, i);
  }
  return crc;
}
