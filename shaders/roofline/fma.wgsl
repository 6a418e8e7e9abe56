// The arithmetic that an adapter is capable of: nothing but multiply-adds on registers.
//
//   s_k <- s_k a + b       for each of CHAINS independent sums s_k, ROUNDS STEPS times
//   y[thread] = sum over k of s_k
//
// Independent sums, so that a multiply-add need not wait for the one before: two units with a
// latency of four want eight of them. With more sums than registers they spill; the best of a few
// counts is the peak. a and b come from memory, so that nothing is known to the compiler.
//
// Layout   x: a and b, 0 < a < 1, so that the sums stay finite; y: one float for each thread
// Threads  each on its own
// Cost     2 CHAINS ROUNDS STEPS operations a thread, 4 bytes written

const CHAINS: u32 = 8u;
const ROUNDS: u32 = 64u;
const STEPS: u32 = 64u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
// end operands

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = workgroup_number(workgroup, workgroups) * 64u + local;
  let a = load_x(0u);
  let b = load_x(1u);
  // @registers
  var s: array<f32, CHAINS>;
  // @unroll
  for (var k = 0u; k < CHAINS; k++) {
    s[k] = f32(i + k);
  }
  for (var round = 0u; round < ROUNDS; round++) {
    // @unroll
    for (var step = 0u; step < STEPS; step++) {
      // @unroll
      for (var k = 0u; k < CHAINS; k++) {
        s[k] = fma(s[k], a, b);
      }
    }
  }
  var sum = 0.0;
  // @unroll
  for (var k = 0u; k < CHAINS; k++) {
    sum += s[k];
  }
  y[i] = sum;
}
