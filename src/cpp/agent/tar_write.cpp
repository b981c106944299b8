#include "agent/tar.hpp"

#include <algorithm>

namespace sandboxd::agent {
namespace {

constexpr std::uint64_t kOctal7 = 07777777;
constexpr std::uint64_t kOctal11 = 077777777777;

void put_text(std::string& block, std::size_t at, std::size_t size, std::string_view text) {
  block.replace(at, std::min(size, text.size()), text.substr(0, size));
}

// Digits and a NUL; what does not fit is in a pax record.
void put_octal(std::string& block, std::size_t at, std::size_t size, std::uint64_t number) {
  for (std::size_t i = size - 1; i-- > 0; number >>= 3U) block[at + i] = static_cast<char>('0' + (number & 7U));
}

void put_pax(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // " key=value\n"
  std::size_t size = rest + 1;
  while (std::to_string(size).size() + rest != size) size = std::to_string(size).size() + rest;
  records += std::to_string(size) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

std::string pax_time(std::int64_t ns) {
  const std::uint64_t size =
      ns < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  std::string digits = std::to_string(size % 1'000'000'000);
  digits.insert(0, 9 - digits.size(), '0');
  return (ns < 0 ? "-" : "") + std::to_string(size / 1'000'000'000) + "." + digits;
}

std::string block_of(const TarEntry& entry, char type, std::uint64_t size) {
  std::string block(kTarBlock, '\0');
  put_text(block, 0, 100, entry.path);
  put_octal(block, 100, 8, entry.mode & 07777U);
  put_octal(block, 108, 8, std::min<std::uint64_t>(entry.uid, kOctal7));
  put_octal(block, 116, 8, std::min<std::uint64_t>(entry.gid, kOctal7));
  put_octal(block, 124, 12, std::min(size, kOctal11));
  const std::int64_t seconds = std::max<std::int64_t>(entry.modified_ns / 1'000'000'000, 0);
  put_octal(block, 136, 12, std::min(static_cast<std::uint64_t>(seconds), kOctal11));
  block[156] = type;
  put_text(block, 157, 100, entry.target);
  put_text(block, 257, 8,
           std::string_view("ustar\0"
                            "00",
                            8));
  put_text(block, 265, 31, entry.owner);
  put_text(block, 297, 31, entry.group);
  put_octal(block, 329, 8, 0);
  put_octal(block, 337, 8, 0);
  block.replace(148, 8, 8, ' ');
  std::uint64_t sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  put_octal(block, 148, 7, sum);
  block[154] = '\0';
  return block;
}

}  // namespace

std::string tar_header(const TarEntry& entry) {
  std::string records;
  if (entry.path.size() > 100) put_pax(records, "path", entry.path);
  if (entry.target.size() > 100) put_pax(records, "linkpath", entry.target);
  if (entry.size > kOctal11) put_pax(records, "size", std::to_string(entry.size));
  if (entry.uid > kOctal7) put_pax(records, "uid", std::to_string(entry.uid));
  if (entry.gid > kOctal7) put_pax(records, "gid", std::to_string(entry.gid));
  if (entry.modified_ns % 1'000'000'000 != 0 || entry.modified_ns < 0) {
    put_pax(records, "mtime", pax_time(entry.modified_ns));
  }
  std::string bytes;
  if (!records.empty()) {
    TarEntry pax;
    pax.path = "PaxHeaders/" + entry.path.substr(0, 80);
    pax.mode = 0644;
    bytes = block_of(pax, 'x', records.size()) + records + std::string(tar_padding(records.size()), '\0');
  }
  return bytes + block_of(entry, static_cast<char>(entry.kind), entry.size);
}

}  // namespace sandboxd::agent
