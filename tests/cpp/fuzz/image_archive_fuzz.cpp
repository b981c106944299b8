// Image archives from anybody: the tar reader, the unpacker and the documents refuse or take what they are given,
// within their bounds, however the bytes are cut.
#include "containerd/gunzip.hpp"
#include "containerd/image_archive.hpp"
#include "containerd/tar_reader.hpp"
#include "fuzz.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace {

using namespace sandboxd;
using containerd::TarData;
using containerd::TarEntry;

constexpr std::size_t kUnpackedMax = 4 << 20;  // of one input that is looked at
constexpr std::size_t kBlock = 512;
constexpr std::size_t kPieceMax = 256 * 1024;

struct Tar {
  bool is_good = true;
  bool is_complete = false;
  std::vector<std::tuple<std::string, TarEntry::Kind, std::string, std::int64_t>> heads;
  std::string data;
  friend bool operator==(const Tar&, const Tar&) = default;
};

void check_path(const std::string& path) {
  fuzz::must(!path.starts_with('/') && !path.ends_with('/'), "a path is relative and ends with a name");
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    fuzz::must(path.substr(at, end - at) != "..", "no path leads upwards");
    at = end + 1;
  }
}

// False: it wants more bytes, or has failed.
bool take_event(containerd::TarReader& reader, Tar& tar, std::int64_t& left) {
  const auto event = reader.next();
  tar.is_good = event.has_value();
  if (!event || !*event) return false;
  if (const auto* entry = std::get_if<TarEntry>(&**event)) {
    check_path(entry->path);
    fuzz::must(entry->size >= 0, "no size is negative");
    left = entry->size;
    tar.heads.emplace_back(entry->path, entry->kind, entry->link, entry->size);
  } else if (const auto* data = std::get_if<TarData>(&**event)) {
    left -= static_cast<std::int64_t>(data->bytes.size());
    fuzz::must(left >= 0, "no entry has more data than it said");
    tar.data += data->bytes;
  } else {
    fuzz::must(left == 0, "an entry ends when its data are there");
  }
  return true;
}

Tar read_tar(std::string_view bytes, std::size_t step) {
  containerd::TarReader reader;
  Tar tar;
  std::int64_t left = 0;
  for (std::size_t at = 0; at < bytes.size() && tar.is_good; at += step) {
    reader.feed(bytes.substr(at, step));
    while (take_event(reader, tar, left)) {
    }
  }
  tar.is_complete = tar.is_good && reader.is_complete();
  return tar;
}

// A made-up archive has no chance to have the right sums: this one gets them.
std::string with_sums(std::string_view text) {
  std::string whole(text);
  whole.resize((whole.size() + kBlock - 1) / kBlock * kBlock);
  for (std::size_t at = 0; at < whole.size(); at += kBlock) {
    whole.replace(at + 148, 8, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(whole[at + i]);
    for (std::size_t i = 6; i-- > 0; sum >>= 3U) whole[at + 148 + i] = static_cast<char>('0' + (sum & 7U));
  }
  return whole;
}

struct Unpacked {
  bool is_good = true;
  bool is_complete = false;
  std::string bytes;
  friend bool operator==(const Unpacked&, const Unpacked&) = default;
};

Unpacked unpack(std::string_view bytes, std::size_t step) {
  containerd::Gunzip gunzip;
  Unpacked out;
  for (std::size_t at = 0; at < bytes.size() && out.is_good && out.bytes.size() < kUnpackedMax; at += step) {
    gunzip.feed(std::string(bytes.substr(at, step)));
    for (;;) {
      const auto piece = gunzip.next();
      out.is_good = piece.has_value();
      if (!piece || !*piece) break;
      fuzz::must(!(*piece)->empty() && (*piece)->size() <= kPieceMax, "pieces are bounded, and never none");
      out.bytes += **piece;
      if (out.bytes.size() >= kUnpackedMax) break;
    }
  }
  if (!out.is_good || out.bytes.size() >= kUnpackedMax) out.bytes.clear();  // how far it came depends on the cut
  out.is_complete = out.is_good && !out.bytes.empty() && gunzip.is_complete();
  return out;
}

void read_documents(std::string_view text) {
  for (const auto& images : {containerd::parse_layout_index(text), containerd::parse_docker_manifest(text)}) {
    if (!images) continue;
    for (const auto& image : *images) {
      fuzz::must(image.target.digest.empty() || image.layers.empty(), "an image has one form");
    }
    static_cast<void>(containerd::choose_image(*images, "docker.io/library/a:1"));
  }
  const std::string digest = containerd::digest_of_path(text);
  fuzz::must(digest.empty() || digest.size() == 71, "a digest is whole");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  const std::size_t whole = input.text.size() + kBlock;
  switch (input.choice % 4) {
    case 0: fuzz::must(read_tar(input.text, whole) == read_tar(input.text, 7), "a tar file may be cut anywhere"); break;
    case 1: {
      const std::string summed = with_sums(input.text);
      fuzz::must(read_tar(summed, whole) == read_tar(summed, 77), "a tar file may be cut anywhere");
      break;
    }
    case 2: fuzz::must(unpack(input.text, whole) == unpack(input.text, 7), "a gzip stream may be cut anywhere"); break;
    default: read_documents(input.text);
  }
  return 0;
}
