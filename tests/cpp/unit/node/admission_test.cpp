#include "node/admission.hpp"

#include "node/container_plan.hpp"
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

TEST(Allocatable, is_an_integer_division_that_does_not_overflow) {
  EXPECT_EQ(allocatable(1999, 90), 1799);
  EXPECT_EQ(allocatable(INT64_MAX, 100), INT64_MAX);
}

class Admission : public NodeFixture {
 protected:
  Result<void> try_admit(const model::NodeCreateRequest& request) { return admit(request, table_, capacity_); }
  sim::SimNodeStore& opened() {
    if (!store_) store_ = *sim::SimNodeStore::open(disk_, clock_);
    return *store_;
  }
  SandboxTable table_{context_.get_executor(), clock_, opened()};
  Capacity capacity_{{2, 1 << 30}, 90, 1, "10.0.0.0/30"};
};

TEST_F(Admission, memory_is_checked_after_cpu) {
  auto request = simple_request("a");
  request.spec.containers[0].resources.request_memory_bytes = std::int64_t{2} << 30;
  EXPECT_EQ(try_admit(request).error().message(),
            "insufficient memory allocatable: requested=2147483648 used=0 limit=966367641 (90% of host)");
  request.spec.containers[0].resources.request_cpu_milli = INT64_MAX;
  EXPECT_TRUE(try_admit(request).error().message().starts_with("insufficient cpu allocatable"));
}

TEST_F(Admission, addresses_run_out) {
  const auto entry = table_.insert(plan_sandbox(config_, simple_request("a"), {}), true);
  EXPECT_EQ(try_admit(simple_request("b")).error().message(),
            "insufficient ip addresses in subnet 10.0.0.0/30: in_use=1 usable=1");
  table_.release(*entry);
  EXPECT_TRUE(try_admit(simple_request("b")));
}

TEST_F(Admission, a_quantity_that_is_none_is_named) {
  auto request = simple_request("a");
  request.spec.containers[0].resources.limit_cpu_milli = {0, "much"};
  EXPECT_EQ(try_admit(request).error().message(), "container c0 resource parse failed: invalid cpu: much");
}

TEST(AdmitStorage, what_is_asked_for_must_be_free_now) {
  auto request = simple_request("a", 2);
  request.spec.containers[0].resources.ephemeral_storage_bytes = {600, "600"};
  EXPECT_TRUE(admit_storage(request.spec, 400, {5000, 1000}));
  const auto refused = admit_storage(request.spec, 401, {5000, 1000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_TRUE(refused.error().message().starts_with("insufficient disk space: requested=1001 free=1000: "));
  request.spec.containers[0].resources.ephemeral_storage_bytes = {INT64_MAX, "all"};
  EXPECT_FALSE(admit_storage(request.spec, 400, {5000, 1000}));
}

}  // namespace
}  // namespace sandboxd::node
