// y[b] = the column of the largest element of row b; the first one at a tie. A NaN is larger than
// all else, so that it is seen and not lost.
//
// Layout   x [ROWS, COLUMNS], y [ROWS] (u32)
// Threads  one invocation a row: rows are logits, a few to a thousand columns
// Cost     two comparisons an element, x read once
//
// In the slot `candidate` columns can be left out, such as that of the row's label.

const ROWS: u32 = 32u;
const COLUMNS: u32 = 10u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
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
  let row = workgroup_number(workgroup, workgroups) * 64u + local;
  if (row >= ROWS) {
    return;
  }
  var best = COLUMNS; // none yet
  var largest = 0.0;
  for (var column = 0u; column < COLUMNS; column++) {
    // begin candidate
    // end candidate
    let value = load_x(row * COLUMNS + column);
    // Its bits are tested, since a shader compiler may assume that no value differs from itself.
    let nan = (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
    if (best == COLUMNS || value > largest || nan) {
      largest = value;
      best = column;
    }
    if (nan) {
      break;
    }
  }
  y[row] = best;
}
