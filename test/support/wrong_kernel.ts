/**
 * Plants a fault: kernels whose label has WRONG_KERNEL in it have no padding to the left. It is
 * loaded before the program.
 */
const wrong = Deno.env.get("WRONG_KERNEL")!;
const { createShaderModule } = GPUDevice.prototype;
GPUDevice.prototype.createShaderModule = function (descriptor) {
  const { label = "", code } = descriptor;
  const planted = code.replace(/(const PADDING_W: [iu]32 = )1/, (_, begin) => `${begin}0`);
  return createShaderModule.call(this, {
    ...descriptor,
    code: label.includes(wrong) ? planted : code,
  });
};
