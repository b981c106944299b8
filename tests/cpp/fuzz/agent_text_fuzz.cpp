// What a sandbox's files and archives tell the in-sandbox agent.
#include "agent/proc.hpp"
#include "agent/tar.hpp"
#include "agent/users.hpp"
#include "fuzz.hpp"

#include <string>
#include <vector>

namespace {

using namespace sandboxd;
using namespace sandboxd::agent;

// Counts that every file's bytes come, between its begin and its end.
class Counting : public TarSink {
 public:
  [[nodiscard]] Problem begin(const TarEntry& entry) override {
    fuzz::must(!is_open_, "one entry at a time");
    fuzz::must(entry.path.find('\0') == std::string::npos, "names hold no NUL");
    is_open_ = entry.kind == TarEntry::Kind::file;
    left_ = entry.size;
    std::vector<std::string> names;
    if (split_inside(entry.path, names)) return {};
    for (const std::string& name : names) {
      fuzz::must(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos,
                 "names are names");
    }
    return {};
  }
  [[nodiscard]] Problem data(std::string_view bytes) override {
    fuzz::must(is_open_ && bytes.size() <= left_, "no bytes but the file's");
    left_ -= bytes.size();
    return {};
  }
  [[nodiscard]] Problem end() override {
    fuzz::must(is_open_ && left_ == 0, "a file ends when its bytes have come");
    is_open_ = false;
    return {};
  }

 private:
  bool is_open_ = false;
  std::uint64_t left_ = 0;
};

void archive(std::string_view text, std::size_t piece) {
  TarReader reader;
  Counting sink;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    if (reader.feed(text.substr(at, piece), sink)) return;
  }
}

// A made-up archive has no chance to have the right sums: this one gets them.
void summed_archive(std::string_view text, std::size_t piece) {
  std::string whole(text);
  whole.resize((whole.size() / kTarBlock + 1) * kTarBlock);
  for (std::size_t at = 0; at < whole.size(); at += kTarBlock) {
    whole.replace(at + 148, 8, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < kTarBlock; ++i) sum += static_cast<unsigned char>(whole[at + i]);
    for (std::size_t i = 6; i-- > 0; sum >>= 3U) whole[at + 148 + i] = static_cast<char>('0' + (sum & 7U));
  }
  archive(whole, piece);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  archive(input.text, 1 + input.choice);
  summed_archive(input.text, 1 + input.choice * 7U);
  static_cast<void>(parse_net(input.text, input.choice % 2 == 0 ? "tcp" : "udp"));
  Process process;
  std::int32_t group = 0;
  static_cast<void>(parse_stat(input.text, process, group));
  const Names names(parse_users(input.text), parse_groups(input.text));
  Identity found;
  static_cast<void>(static_cast<bool>(names.resolve(input.text.substr(0, 40), {}, found)));
  return 0;
}
