// What the fuzz targets share. A target's input is text from anybody; its properties are checked with must().
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sandboxd::fuzz {

inline void must(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property broken: %s\n", property);
  std::abort();
}

// The first byte chooses among a target's decoders or sizes, the rest is the text.
struct Input {
  Input(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return;
    choice = data[0];
    text = std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1);
  }
  unsigned choice = 0;
  std::string_view text;
};

}  // namespace sandboxd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
