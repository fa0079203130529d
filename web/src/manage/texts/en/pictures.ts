/** Pictures of events and packages. */

const refused: Record<string, string> = {
  unknown_type: "This is not a JPEG, PNG or WebP picture.",
  damaged: "This picture is damaged. Save it again, or choose another one.",
  too_many_pixels: "This picture has more than 40 megapixels. Choose a smaller one.",
  too_few_pixels: "This picture is smaller than 16 pixels. Choose a larger one.",
  animated: "This picture is animated. Choose a still one.",
  not_only_an_image: "This file contains more than a picture. Save the picture again.",
};

export const pictureTexts = {
  note: "JPEG, PNG or WebP. Drop a file on the picture, or choose one. Wide pictures look best.",
  choose: "Choose a picture",
  another: "Choose another picture",
  remove: "Remove the picture",
  refused,
};
