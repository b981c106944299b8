#include "integration/containerd/containerd_fixture.hpp"

namespace sandboxd::test {

std::unique_ptr<PrivateContainerd> ContainerdFixture::daemon_;
std::unique_ptr<NetworkNamespace> ContainerdFixture::network_;
std::string ContainerdFixture::image_name_;

}  // namespace sandboxd::test
