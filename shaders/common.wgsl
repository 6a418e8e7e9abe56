// Functions that several kernels need. WGSL has no includes, and every shader file is to be read,
// and legal, as it stands: so each has its own copy between the same lines, and a test holds the
// copies to the text here.

@group(0) @binding(0) var<storage, read_write> y: array<u32>;

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

// begin first_tap
const NO_TAP: u32 = 1000000u;

// The first tap that reaches the phase whose (phase + padding) is given.
fn first_tap(offset: i32, dilation: i32, stride: i32) -> u32 {
  var tap = NO_TAP;
  for (var t = stride; t > 0; t--) {
    if ((offset - (t - 1) * dilation) % stride == 0) {
      tap = u32(t - 1);
    }
  }
  return tap;
}
// end first_tap

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = workgroup_number(workgroup, workgroups) * 64u + local;
  if (i < arrayLength(&y)) {
    y[i] = first_tap(i32(i), 1i, 2i);
  }
}
