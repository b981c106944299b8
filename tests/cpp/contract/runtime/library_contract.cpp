// Images for people: what every ports::ImageLibrary must do.
#include "contract/runtime/runtime_fixture.hpp"

#include <cstdio>
#include <cstring>

namespace sandboxd::test {
namespace {

using testing::Contains;
using testing::StartsWith;

// A tar file with one file in it.
std::string small_archive() {
  const std::string content = "hello";
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  put(0, "hello.txt");
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  char size[12];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");
  put(156, "0");
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  char checksum[8];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  put(148, std::string(checksum) + '\0');
  return header + content + std::string(512 - content.size(), '\0') + std::string(1024, '\0');
}

class LibraryContract : public RuntimeContract {
 protected:
  ports::ImageLibrary& library() { return world_->library(); }
  std::size_t stored() {
    const auto images = world_->run(runtime().list_images());
    EXPECT_TRUE(images) << images.error().message();
    return images ? images->size() : 0;
  }
  std::unique_ptr<ports::ImageImport> begin(const std::string& reference) {
    ports::ImageImportRequest request;
    request.reference = reference;
    request.kind = model::ArchiveKind::rootfs;
    auto begun = library().begin_import(request);
    EXPECT_TRUE(begun) << begun.error().message();
    return begun ? *std::move(begun) : nullptr;
  }
};

TEST_P(LibraryContract, NamesAreMadeWhole) {
  EXPECT_EQ(library().normalise("alpine").value(), "docker.io/library/alpine:latest");
  EXPECT_EQ(library().normalise("you/tool:2").value(), "docker.io/you/tool:2");
  EXPECT_EQ(library().normalise("127.0.0.1:5000/a/b").value(), "127.0.0.1:5000/a/b:latest");
  for (const char* bad : {"", "UPPER", "two words"}) {
    const auto refused = library().normalise(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument) << bad;
  }
}

TEST_P(LibraryContract, AnImageIsFoundByNameAndByDigest) {
  const auto by_name = world_->run(library().find(world_->image()));
  ASSERT_TRUE(by_name) << by_name.error().message();
  EXPECT_THAT(by_name->digest, StartsWith("sha256:"));
  EXPECT_THAT(by_name->names, Contains(library().normalise(world_->image()).value()));
  const std::string hex = by_name->digest.substr(std::strlen("sha256:"));
  for (const std::string& text : {by_name->digest, hex, hex.substr(0, 20), "sha256:" + hex.substr(0, 20)}) {
    const auto found = world_->run(library().find(text));
    ASSERT_TRUE(found) << text << ": " << found.error().message();
    EXPECT_EQ(found->digest, by_name->digest);
  }
  for (const char* unknown : {"docker.io/library/no-such-image:1", "sha256:0123456789012345"}) {
    const auto missing = world_->run(library().find(unknown));
    ASSERT_FALSE(missing) << unknown;
    EXPECT_EQ(missing.error().code(), ErrorCode::not_found) << missing.error().message();
  }
}

TEST_P(LibraryContract, APullThatCannotBeSaysSo) {
  const auto malformed = world_->run(library().pull("two words", std::nullopt));
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code(), ErrorCode::invalid_argument);
  const auto missing = world_->run(library().pull("127.0.0.1:1/no/such:image", std::nullopt));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), testing::HasSubstr("127.0.0.1:1/no/such"));
}

TEST_P(LibraryContract, AnImportIsStoredUnderItsName) {
  auto import = begin("sbxt-imported:1");
  ASSERT_TRUE(import);
  const std::string bytes = small_archive();
  for (std::size_t at = 0; at < bytes.size(); at += 700) {
    const auto written = world_->run(import->write(bytes.substr(at, 700)));
    ASSERT_TRUE(written) << written.error().message();
  }
  const auto stored_image = world_->run(import->finish());
  ASSERT_TRUE(stored_image) << stored_image.error().message();
  EXPECT_THAT(stored_image->names, Contains("docker.io/library/sbxt-imported:1"));
  const auto found = world_->run(library().find("sbxt-imported:1"));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->digest, stored_image->digest);
  EXPECT_TRUE(world_->run(runtime().ensure_image("sbxt-imported:1")));
  EXPECT_TRUE(world_->run(runtime().remove_image("sbxt-imported:1")));
}

TEST_P(LibraryContract, AnImportThatIsGivenUpOrDamagedLeavesNothing) {
  const std::size_t before = stored();
  auto given_up = begin("sbxt-given-up:1");
  ASSERT_TRUE(given_up);
  ASSERT_TRUE(world_->run(given_up->write(small_archive().substr(0, 600))));
  given_up.reset();
  auto damaged = begin("sbxt-damaged:1");
  ASSERT_TRUE(damaged);
  auto outcome = world_->run(damaged->write("damaged" + std::string(2000, 'x')));
  if (outcome) {
    const auto finished = world_->run(damaged->finish());
    ASSERT_FALSE(finished);
    outcome = finished.error();
  }
  EXPECT_EQ(outcome.error().code(), ErrorCode::invalid_argument) << outcome.error().message();
  damaged.reset();
  EXPECT_EQ(stored(), before);
  ports::ImageImportRequest bad;
  bad.reference = "two words";
  const auto refused = library().begin_import(bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Runtimes, LibraryContract, testing::ValuesIn(runtime_factories()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sandboxd::test
