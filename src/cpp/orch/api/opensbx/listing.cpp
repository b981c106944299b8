#include "orch/api/opensbx/listing.hpp"

#include "orch/api/opensbx/times.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::orch::opensbx {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;

char type_letter(std::uint32_t mode) {
  switch (mode & 0170000) {
    case 0040000: return 'd';
    case 0120000: return 'l';
    case 0020000: return 'c';
    case 0060000: return 'b';
    case 0010000: return 'p';
    case 0140000: return 's';
    default: return '-';
  }
}

// Execute permission together with set-id or sticky.
char execute_letter(bool may_execute, bool is_special, char special) {
  if (!is_special) return may_execute ? 'x' : '-';
  return may_execute ? special : static_cast<char>(special - 'a' + 'A');
}

std::string line_of(const model::FileInfo& file, const std::array<std::size_t, 4>& widths, WallTime now) {
  const auto spaces = [](std::size_t width, const std::string& text) {
    return std::string(width > text.size() ? width - text.size() : 0, ' ');
  };
  const std::string links = std::to_string(file.links);
  const std::string size = std::to_string(file.size);
  std::string line = mode_text(file.mode) + " " + spaces(widths[0], links) + links;
  line += " " + file.owner + spaces(widths[1], file.owner) + " " + file.group + spaces(widths[2], file.group);
  line += " " + spaces(widths[3], size) + size + " " + list_date(file.modified_at, now) + " " + file.path;
  if (file.kind == model::FileKind::link && !file.target.empty()) line += " -> " + file.target;
  return line + "\n";
}

}  // namespace

std::string mode_text(std::uint32_t mode) {
  std::string text(1, type_letter(mode));
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = mode >> shift & 7;
    const bool is_special = (mode & (shift == 6 ? 04000U : shift == 3 ? 02000U : 01000U)) != 0;
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    text += execute_letter((bits & 1) != 0, is_special, shift == 0 ? 't' : 's');
  }
  return text;
}

std::string directory_text(const std::vector<model::FileInfo>& entries, WallTime now) {
  std::array<std::size_t, 4> widths{};
  std::uint64_t blocks = 0;
  for (const model::FileInfo& file : entries) {
    widths[0] = std::max(widths[0], std::to_string(file.links).size());
    widths[1] = std::max(widths[1], file.owner.size());
    widths[2] = std::max(widths[2], file.group.size());
    widths[3] = std::max(widths[3], std::to_string(file.size).size());
    if (file.kind != model::FileKind::link) blocks += (file.size + kBlockBytes - 1) / kBlockBytes;
  }
  std::string text = "total " + std::to_string(blocks * (kBlockBytes / 1024)) + "\n";
  for (const model::FileInfo& file : entries) text += line_of(file, widths, now);
  return text;
}

std::string file_text(const model::FileInfo& file, WallTime now) { return line_of(file, {}, now); }

}  // namespace sandboxd::orch::opensbx
