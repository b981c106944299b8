// The full gRPC method names that the adapter calls. Private to this folder.
#pragma once

namespace sandboxd::containerd::method {

inline constexpr const char* kVersion = "/containerd.services.version.v1.Version/Version";

inline constexpr const char* kContainersGet = "/containerd.services.containers.v1.Containers/Get";
inline constexpr const char* kContainersList = "/containerd.services.containers.v1.Containers/List";
inline constexpr const char* kContainersCreate = "/containerd.services.containers.v1.Containers/Create";
inline constexpr const char* kContainersUpdate = "/containerd.services.containers.v1.Containers/Update";
inline constexpr const char* kContainersDelete = "/containerd.services.containers.v1.Containers/Delete";

inline constexpr const char* kTasksCreate = "/containerd.services.tasks.v1.Tasks/Create";
inline constexpr const char* kTasksStart = "/containerd.services.tasks.v1.Tasks/Start";
inline constexpr const char* kTasksDelete = "/containerd.services.tasks.v1.Tasks/Delete";
inline constexpr const char* kTasksGet = "/containerd.services.tasks.v1.Tasks/Get";
inline constexpr const char* kTasksList = "/containerd.services.tasks.v1.Tasks/List";
inline constexpr const char* kTasksKill = "/containerd.services.tasks.v1.Tasks/Kill";
inline constexpr const char* kTasksPause = "/containerd.services.tasks.v1.Tasks/Pause";
inline constexpr const char* kTasksResume = "/containerd.services.tasks.v1.Tasks/Resume";
inline constexpr const char* kTasksWait = "/containerd.services.tasks.v1.Tasks/Wait";
inline constexpr const char* kTasksExec = "/containerd.services.tasks.v1.Tasks/Exec";
inline constexpr const char* kTasksDeleteProcess = "/containerd.services.tasks.v1.Tasks/DeleteProcess";
inline constexpr const char* kTasksResizePty = "/containerd.services.tasks.v1.Tasks/ResizePty";
inline constexpr const char* kTasksCloseIo = "/containerd.services.tasks.v1.Tasks/CloseIO";

inline constexpr const char* kSnapshotsPrepare = "/containerd.services.snapshots.v1.Snapshots/Prepare";
inline constexpr const char* kSnapshotsMounts = "/containerd.services.snapshots.v1.Snapshots/Mounts";
inline constexpr const char* kSnapshotsCommit = "/containerd.services.snapshots.v1.Snapshots/Commit";
inline constexpr const char* kSnapshotsRemove = "/containerd.services.snapshots.v1.Snapshots/Remove";
inline constexpr const char* kSnapshotsStat = "/containerd.services.snapshots.v1.Snapshots/Stat";
inline constexpr const char* kSnapshotsList = "/containerd.services.snapshots.v1.Snapshots/List";

inline constexpr const char* kImagesGet = "/containerd.services.images.v1.Images/Get";
inline constexpr const char* kImagesList = "/containerd.services.images.v1.Images/List";
inline constexpr const char* kImagesCreate = "/containerd.services.images.v1.Images/Create";
inline constexpr const char* kImagesUpdate = "/containerd.services.images.v1.Images/Update";
inline constexpr const char* kImagesDelete = "/containerd.services.images.v1.Images/Delete";
inline constexpr const char* kContentInfo = "/containerd.services.content.v1.Content/Info";
inline constexpr const char* kContentList = "/containerd.services.content.v1.Content/List";
inline constexpr const char* kContentListStatuses = "/containerd.services.content.v1.Content/ListStatuses";
inline constexpr const char* kContentRead = "/containerd.services.content.v1.Content/Read";
inline constexpr const char* kContentWrite = "/containerd.services.content.v1.Content/Write";
inline constexpr const char* kContentUpdate = "/containerd.services.content.v1.Content/Update";
inline constexpr const char* kDiffApply = "/containerd.services.diff.v1.Diff/Apply";
inline constexpr const char* kLeasesCreate = "/containerd.services.leases.v1.Leases/Create";
inline constexpr const char* kLeasesDelete = "/containerd.services.leases.v1.Leases/Delete";
inline constexpr const char* kEventsPublish = "/containerd.services.events.v1.Events/Publish";
inline constexpr const char* kEventsSubscribe = "/containerd.services.events.v1.Events/Subscribe";

inline constexpr const char* kCriPullImage = "/runtime.v1.ImageService/PullImage";

}  // namespace sandboxd::containerd::method
