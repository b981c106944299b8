#include "agent/tar.hpp"

#include <algorithm>

namespace sandboxd::agent {
namespace {

constexpr std::size_t kExtensionBytesMax = 1 << 20;
constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 50U;

Problem broken(std::string_view what) { return {EINVAL, "tar archive: " + std::string(what)}; }

std::string text_at(const std::string& block, std::size_t at, std::size_t size) {
  const std::string_view field = std::string_view(block).substr(at, size);
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits, or the GNU form for large numbers: a high first bit, then bytes.
bool number_at(const std::string& block, std::size_t at, std::size_t size, std::uint64_t& number) {
  number = 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(block[at + i]); };
  if ((byte(0) & 0x80U) != 0) {
    if (byte(0) != 0x80U) return false;  // negative, or beyond all bounds
    for (std::size_t i = 1; i < size; ++i) {
      if (number >> 56U != 0) return false;
      number = number << 8U | byte(i);
    }
    return true;
  }
  std::size_t i = 0;
  while (i < size && block[at + i] == ' ') ++i;
  for (; i < size && block[at + i] >= '0' && block[at + i] <= '7'; ++i) number = number << 3U | (byte(i) - '0');
  return i == size || block[at + i] == ' ' || block[at + i] == '\0';
}

bool has_good_sum(const std::string& block) {
  std::uint64_t wanted = 0;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return number_at(block, 148, 8, wanted) && wanted == sum;
}

bool decimal(std::string_view text, std::uint64_t& number) {
  number = 0;
  if (text.empty() || text.size() > 19) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

// Seconds, perhaps with a fraction and a sign.
bool pax_time(std::string_view text, std::int64_t& ns) {
  const bool is_negative = !text.empty() && text.front() == '-';
  if (is_negative) text.remove_prefix(1);
  std::uint64_t whole = 0;
  if (!decimal(cut(text, '.'), whole) || whole > 9'000'000'000) return false;
  std::string digits(text.substr(0, 9));
  digits.append(9 - digits.size(), '0');
  std::uint64_t fraction = 0;
  if (!decimal(digits, fraction)) return false;
  ns = static_cast<std::int64_t>(whole) * 1'000'000'000 + static_cast<std::int64_t>(fraction);
  if (is_negative) ns = -ns;
  return true;
}

}  // namespace

Problem split_inside(std::string_view path, std::vector<std::string>& names) {
  const std::string shown(path.substr(0, 200));
  if (!path.empty() && path.front() == '/') return {EINVAL, "tar archive: " + shown + " is an absolute path"};
  while (!path.empty()) {
    const std::string_view name = cut(path, '/');
    if (name == "..") return {EINVAL, "tar archive: " + shown + " leads out of the directory"};
    if (!name.empty() && name != ".") names.emplace_back(name);
  }
  return {};
}

Problem TarReader::feed(std::string_view bytes, TarSink& sink) {
  while (!bytes.empty() && !is_over_) {
    if (body_ != Body::none && left_ > 0) {
      if (Problem failed = take_body(bytes, sink)) return failed;
      continue;
    }
    if (padding_ > 0) {
      const std::size_t size = std::min(padding_, bytes.size());
      padding_ -= size;
      bytes.remove_prefix(size);
      continue;
    }
    const std::size_t size = std::min(kTarBlock - block_.size(), bytes.size());
    block_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (block_.size() < kTarBlock) continue;
    if (Problem failed = take_header(sink)) return failed;
    block_.clear();
  }
  return {};
}

Problem TarReader::take_body(std::string_view& bytes, TarSink& sink) {
  const std::string_view part = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
  if (body_ == Body::extension) text_.append(part);
  if (body_ == Body::file) {
    if (Problem failed = sink.data(part)) return failed;
  }
  left_ -= part.size();
  bytes.remove_prefix(part.size());
  return left_ == 0 ? end_body(sink) : Problem{};
}

Problem TarReader::end_body(TarSink& sink) {
  const Body body = std::exchange(body_, Body::none);
  if (body == Body::file) return sink.end();
  if (body != Body::extension) return {};
  const std::string name = text_.substr(0, text_.find('\0'));
  if (extension_ == 'L') pax_["path"] = name;
  if (extension_ == 'K') pax_["linkpath"] = name;
  return extension_ == 'x' ? take_pax() : Problem{};
}

// "SIZE key=value\n", where SIZE counts all of it.
Problem TarReader::take_pax() {
  std::string_view rest = text_;
  while (!rest.empty()) {
    std::string_view line = rest;
    const std::string_view digits = cut(line, ' ');
    std::uint64_t size = 0;
    if (!decimal(digits, size) || size > rest.size() || size < digits.size() + 4) return broken("a wrong pax record");
    line = rest.substr(digits.size() + 1, static_cast<std::size_t>(size) - digits.size() - 1);
    if (line.back() != '\n' || line.find('=') == std::string_view::npos) return broken("a wrong pax record");
    line.remove_suffix(1);
    const std::string key(cut(line, '='));
    if (key == "path" || key == "linkpath" || key == "size" || key == "uid" || key == "gid" || key == "mtime") {
      pax_[key] = std::string(line);
    }
    rest.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

Problem TarReader::apply_pax(TarEntry& entry) const {
  for (const auto& [key, value] : pax_) {
    std::uint64_t number = 0;
    if (key == "path") {
      entry.path = value;
    } else if (key == "linkpath") {
      entry.target = value;
    } else if (key == "mtime") {
      if (!pax_time(value, entry.modified_ns)) return broken("a wrong time");
    } else if (!decimal(value, number) || (key != "size" && number > UINT32_MAX)) {
      return broken("a wrong " + key);
    } else if (key == "size") {
      entry.size = number;
    } else {
      (key == "uid" ? entry.uid : entry.gid) = static_cast<std::uint32_t>(number);
    }
  }
  if (entry.path.find('\0') != std::string::npos || entry.target.find('\0') != std::string::npos) {
    return broken("a name with NUL");
  }
  return {};
}

Problem TarReader::take_header(TarSink& sink) {
  if (std::all_of(block_.begin(), block_.end(), [](char byte) { return byte == '\0'; })) {
    is_over_ = true;
    return {};
  }
  TarEntry entry;
  std::uint64_t mode = 0;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t time = 0;
  if (!has_good_sum(block_)) return broken("a wrong checksum: this is no archive, or a damaged one");
  if (!number_at(block_, 100, 8, mode) || !number_at(block_, 108, 8, uid) || !number_at(block_, 116, 8, gid) ||
      !number_at(block_, 124, 12, entry.size) || !number_at(block_, 136, 12, time) || time > 9'000'000'000) {
    return broken("a wrong number");
  }
  entry.path = text_at(block_, 0, 100);
  if (block_.compare(257, 6, std::string("ustar\0", 6)) == 0) {
    const std::string prefix = text_at(block_, 345, 155);
    if (!prefix.empty()) entry.path.insert(0, prefix + "/");
  }
  entry.target = text_at(block_, 157, 100);
  entry.mode = static_cast<std::uint32_t>(mode & 07777U);
  entry.uid = static_cast<std::uint32_t>(uid);
  entry.gid = static_cast<std::uint32_t>(gid);
  entry.modified_ns = static_cast<std::int64_t>(time) * 1'000'000'000;
  return begin_entry(block_[156], std::move(entry), sink);
}

Problem TarReader::begin_entry(char type, TarEntry entry, TarSink& sink) {
  const bool is_extension = type == 'x' || type == 'L' || type == 'K';
  if (!is_extension && type != 'g') {
    if (Problem wrong = apply_pax(entry)) return wrong;
    pax_.clear();
  }
  if (entry.size > kSizeMax) return broken("an entry too large");
  if (is_extension && entry.size > kExtensionBytesMax) return broken("a header too large");
  if (type == '\0' || type == '7') type = '0';
  if (type == '0' && !entry.path.empty() && entry.path.back() == '/') type = '5';
  const bool is_known = type >= '0' && type <= '6';
  const bool has_bytes = type == '0' || !is_known;
  left_ = has_bytes ? entry.size : 0;
  padding_ = tar_padding(left_);
  extension_ = type;
  text_.clear();
  body_ = type == '0' ? Body::file : is_extension ? Body::extension : Body::ignored;
  if (is_known) {
    entry.kind = static_cast<TarEntry::Kind>(type);
    if (Problem failed = sink.begin(entry)) return failed;
  }
  return left_ == 0 ? end_body(sink) : Problem{};
}

}  // namespace sandboxd::agent
