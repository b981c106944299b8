// Archives from anybody, read piece by piece.
#include "containerd/tar_reader.hpp"

#include "base/sha256.hpp"
#include "containerd/gunzip.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <zlib.h>

namespace sandboxd::containerd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string octal(std::size_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto at = text.rbegin(); at != text.rend(); ++at, value /= 8) *at = static_cast<char>('0' + value % 8);
  return text;
}

std::string block(const std::string& name, std::size_t size, char type, const std::string& link = "") {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, 11, octal(size, 11));
  header[156] = type;
  header.replace(157, link.size(), link);
  header.replace(257, 5, "ustar");
  header.replace(148, 8, "        ");
  std::size_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 7, octal(sum, 6) + '\0');
  return header;
}

std::string entry(const std::string& name, const std::string& data, char type = '0', const std::string& link = "") {
  std::string out = block(name, data.size(), type, link) + data;
  out.resize((out.size() + 511) / 512 * 512);
  return out;
}

std::string pax(const std::string& key, const std::string& value) {
  std::string record = " " + key + "=" + value + "\n";
  std::size_t length = record.size() + 1;
  while (std::to_string(length).size() + record.size() != length) ++length;
  return entry("pax", std::to_string(length) + record, 'x');
}

const std::string kEnd(1024, '\0');

// "path=data" of every entry, fed in pieces of this size.
Result<std::vector<std::string>> read(const std::string& archive, std::size_t piece, bool* complete = nullptr) {
  TarReader reader;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < archive.size(); at += piece) {
    reader.feed(archive.substr(at, piece));
    for (;;) {
      SBX_TRY(event, reader.next());
      if (!event) break;
      if (const auto* found = std::get_if<TarEntry>(&*event)) out.push_back(found->path + "=");
      if (const auto* data = std::get_if<TarData>(&*event)) out.back() += data->bytes;
    }
  }
  if (complete != nullptr) *complete = reader.is_complete();
  return out;
}

TEST(TarReader, GivesEntriesWhateverThePieces) {
  const std::string archive = entry("./a", "first") + entry("dir/", "", '5') + entry("dir/b", std::string(600, 'x')) +
                              entry("empty", "") + kEnd;
  for (const std::size_t piece : {1U, 7U, 512U, 513U, 100'000U}) {
    bool complete = false;
    const auto found = read(archive, piece, &complete);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_THAT(*found, ElementsAre("a=first", "dir=", "dir/b=" + std::string(600, 'x'), "empty="));
    EXPECT_TRUE(complete);
  }
}

TEST(TarReader, KnowsLongNamesAndSizesOfBothKinds) {
  const std::string name = std::string(150, 'n') + "/" + std::string(150, 'm');
  const auto gnu = read(entry("././@LongLink", name + '\0', 'L') + entry("short", "1") + kEnd, 512);
  ASSERT_TRUE(gnu);
  EXPECT_THAT(*gnu, ElementsAre(name + "=1"));
  const auto by_pax = read(pax("path", name) + entry("short", "2") + entry("next", "3") + kEnd, 512);
  ASSERT_TRUE(by_pax);
  EXPECT_THAT(*by_pax, ElementsAre(name + "=2", "next=3"));
}

TEST(TarReader, RefusesPathsThatLeadOut) {
  for (const char* path : {"../up", "a/../../b", "/etc/passwd", "a/.."}) {
    const auto found = read(entry(path, "x") + kEnd, 512);
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().code(), ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(read(pax("path", "../up") + entry("short", "x") + kEnd, 512));
  EXPECT_FALSE(read(entry("hard", "", '1', "../../etc/shadow") + kEnd, 512));
  EXPECT_TRUE(read(entry("soft", "", '2', "../anywhere") + kEnd, 512)) << "a link inside the image may say so";
}

TEST(TarReader, RefusesWhatIsNoArchive) {
  EXPECT_FALSE(read(std::string(2048, 'x'), 512));
  std::string damaged = entry("a", "data") + kEnd;
  damaged[3] = 'z';
  EXPECT_FALSE(read(damaged, 512)) << "the checksum";
  bool complete = true;
  EXPECT_TRUE(read(entry("a", std::string(600, 'x')).substr(0, 800), 512, &complete));
  EXPECT_FALSE(complete) << "cut short";
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> unpack(const std::string& packed, std::size_t piece, bool* complete) {
  Gunzip gunzip;
  std::string out;
  for (std::size_t at = 0; at < packed.size(); at += piece) {
    gunzip.feed(packed.substr(at, piece));
    for (;;) {
      SBX_TRY(more, gunzip.next());
      if (!more) break;
      EXPECT_LE(more->size(), std::max<std::size_t>(256 * 1024, piece));
      out += *more;
    }
  }
  *complete = gunzip.is_complete();
  return out;
}

TEST(Gunzip, UnpacksInBoundedPiecesAndPassesTheRest) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += std::to_string(i);
  bool complete = false;
  for (const std::size_t piece : {13U, 4096U, 10'000'000U}) {
    EXPECT_EQ(unpack(gzip(text), piece, &complete).value(), text);
    EXPECT_TRUE(complete);
    EXPECT_EQ(unpack(text, piece, &complete).value(), text);
  }
  // What gzip itself allows: several streams, and padding.
  EXPECT_EQ(unpack(gzip("one") + gzip("two") + std::string(512, '\0'), 5, &complete).value(), "onetwo");
  // Padding is padding to its end, wherever it is cut.
  EXPECT_EQ(unpack(gzip("one") + std::string(7, '\0') + gzip("two"), 3, &complete).value(), "one");
  // A bomb comes piece by piece.
  const std::string zeros(64 << 20, '\0');
  EXPECT_EQ(unpack(gzip(zeros), 1 << 20, &complete).value(), zeros);
  EXPECT_EQ(unpack(gzip(text).substr(0, 1000), 100, &complete).has_value(), true);
  EXPECT_FALSE(complete) << "cut short";
}

TEST(Gunzip, SaysWhatItCannotRead) {
  bool complete = false;
  std::string damaged = gzip(std::string(5000, 'a'));
  damaged[12] = static_cast<char>(damaged[12] ^ 0x55);
  EXPECT_FALSE(unpack(damaged, 4096, &complete) && complete);
  const auto zstd = unpack("\x28\xb5\x2f\xfd and more", 100, &complete);
  ASSERT_FALSE(zstd);
  EXPECT_THAT(zstd.error().message(), HasSubstr("zstd"));
}

TEST(Sha256, IsTheSameInPieces) {
  const std::string text(1000, 'q');
  for (const std::size_t piece : {1U, 63U, 64U, 65U, 999U}) {
    Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += piece) hash.add(std::string_view(text).substr(at, piece));
    EXPECT_EQ(hash.hex(), sha256_hex(text));
  }
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace sandboxd::containerd
