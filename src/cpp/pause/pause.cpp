// The first process of a pod: it holds the pod's namespaces, reaps orphans, and ends on SIGTERM or SIGINT.
//
// Freestanding: no C library, so that the executable is a few kilobytes, starts in microseconds and runs in an empty
// root file system. Only what waits is here: all signals are blocked and taken one at a time. (Signals that are blocked
// reach process 1 of a PID namespace even without a handler.)
#if defined(__x86_64__)
constexpr long kSigprocmask = 14, kSigtimedwait = 128, kWait4 = 61, kExitGroup = 231;
static long system_call(long number, long a, long b, long c, long d) {
  long result = 0;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
constexpr long kSigprocmask = 135, kSigtimedwait = 137, kWait4 = 260, kExitGroup = 94;
static long system_call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "the pause executable knows x86-64 and aarch64"
#endif

namespace {
constexpr long kBlock = 0, kInterrupt = 2, kTerminate = 15, kChild = 17, kNoHang = 1;
constexpr long kSetBytes = 8;
}  // namespace

extern "C" [[noreturn]] void _start() {
  const unsigned long all = ~0UL;
  const long set = reinterpret_cast<long>(&all);
  system_call(kSigprocmask, kBlock, set, 0, kSetBytes);
  while (true) {
    const long signal = system_call(kSigtimedwait, set, 0, 0, kSetBytes);
    if (signal == kInterrupt || signal == kTerminate) break;
    if (signal != kChild) continue;
    while (system_call(kWait4, -1, 0, kNoHang, 0) > 0) {
    }
  }
  while (true) system_call(kExitGroup, 0, 0, 0, 0);
}
