/** Pictures of events and packages. */

const refused: Record<string, string> = {
  unknown_type: "This is not a JPEG, PNG or WebP picture.",
  damaged: "This picture is damaged. Save it anew, or choose another one.",
  too_many_pixels: "This picture has more than 40 megapixels. Choose a smaller one.",
  too_few_pixels: "This picture is smaller than 16 pixels. Choose a larger one.",
  animated: "This picture moves. Choose one that stands still.",
  not_only_an_image: "There is more in this file than a picture. Save the picture anew.",
};

export const pictureTexts = {
  note: "JPEG, PNG or WebP. Drop a file onto the picture, or choose one; wide ones look best.",
  choose: "Choose a picture",
  another: "Choose another one",
  remove: "Remove the picture",
  refused,
};
