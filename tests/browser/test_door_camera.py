"""The camera of a phone at the door: several of them, their light, a camera that is refused or taken away, a phone on its side."""

from playwright.sync_api import expect

from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.doors import door, new_staff  # noqa: F401
from tests.browser.page_checks import check

# Two cameras that see nothing, one of them with a light. `cameras.opened` and `.lights` note what is asked of them.
CAMERAS = """
(() => {
  const found = [["back", "Back camera"], ["front", ""]].map(([deviceId, label]) => ({ kind: "videoinput", deviceId, label }));
  window.cameras = { opened: [], lights: [], refusal: null, track: null, permission: new EventTarget() };
  navigator.permissions.query = async () => cameras.permission;
  navigator.mediaDevices.enumerateDevices = async () => found;
  navigator.mediaDevices.getUserMedia = async ({ video }) => {
    if (cameras.refusal) throw new DOMException("", cameras.refusal);
    const id = video.deviceId?.exact ?? "back";
    if (!found.some(({ deviceId }) => deviceId === id)) throw new DOMException("", "OverconstrainedError");
    cameras.opened.push(id);
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d");
    const stream = canvas.captureStream();
    const draw = () => (pen.fillRect(0, 0, 640, 480), requestAnimationFrame(draw));
    draw();
    const [track] = stream.getVideoTracks();
    track.getSettings = () => ({ deviceId: id });
    track.getCapabilities = () => ({ torch: id === "back" });
    track.applyConstraints = async ({ advanced: [{ torch }] }) => void cameras.lights.push(torch);
    cameras.track = track;
    return stream;
  };
})();
"""


def start(staff) -> None:
    staff.press("Start the camera")
    expect(staff.page.get_by_text("Hold the code in front of the camera.")).to_be_visible()


def with_cameras(staff):
    staff.page.evaluate(CAMERAS)
    staff.page.add_init_script(CAMERAS)
    return staff


def test_the_light_is_turned_on_and_off_where_the_camera_has_one(door, new_staff):  # noqa: F811
    staff = with_cameras(new_staff())
    start(staff)
    light = staff.page.get_by_role("button", name="Light")
    light.click()
    expect(light).to_have_attribute("aria-pressed", "true")
    check(staff.page, "door_camera_with_its_light")
    light.click()
    expect(light).to_have_attribute("aria-pressed", "false")
    assert staff.page.evaluate("cameras.lights") == [True, False]
    light.click()
    staff.press("Stop the camera")
    start(staff)
    expect(light).to_have_attribute("aria-pressed", "false")  # it went out with the camera
    staff.page.evaluate("void (cameras.track.applyConstraints = () => Promise.reject(new DOMException('', 'NotSupportedError')))")
    light.click()
    expect(light).to_have_count(0)


def test_another_camera_is_chosen_and_kept(door, new_staff):  # noqa: F811
    staff = with_cameras(new_staff())
    start(staff)
    choice = staff.page.get_by_label("Which camera?")
    expect(choice).to_have_value("back")
    expect(choice.locator("option")).to_have_text(["Back camera", "Camera 2"])
    choice.select_option("front")
    expect(choice).to_have_value("front")
    expect(staff.page.get_by_role("button", name="Light")).to_have_count(0)
    staff.page.reload()
    start(staff)
    assert staff.page.evaluate("cameras.opened") == ["front"]
    staff.page.evaluate("localStorage.setItem('fairgate.door-camera', 'unplugged')")
    staff.press("Stop the camera")
    start(staff)
    assert staff.page.evaluate("cameras.opened") == ["front", "back"]


def test_a_refused_camera_starts_when_it_is_allowed(door, new_staff):  # noqa: F811
    staff = with_cameras(new_staff())
    staff.page.evaluate("cameras.refusal = 'NotAllowedError'")
    staff.press("Start the camera")
    expect(staff.page.get_by_text("Allow it in the browser settings")).to_be_visible()
    check(staff.page, "door_camera_refused")
    staff.page.evaluate(
        "cameras.refusal = null, cameras.permission.state = 'granted', cameras.permission.dispatchEvent(new Event('change'))"
    )
    expect(staff.page.get_by_text("Hold the code in front of the camera.")).to_be_visible()


def test_a_missing_camera_is_reported_after_the_first_start(door, new_staff):  # noqa: F811
    staff = new_staff()
    camera = staff.page.get_by_role("region", name="Camera")
    expect(camera).to_have_text("Start the camera")
    staff.press("Start the camera")
    expect(camera).to_have_text("This device has no camera. Type the code, or use a handheld scanner.Look for a camera again")
    with_cameras(staff)
    staff.press("Look for a camera again")
    expect(staff.page.get_by_text("Hold the code in front of the camera.")).to_be_visible()


def test_a_camera_in_use_by_another_app_is_reported_and_restarted(door, new_staff):  # noqa: F811
    staff = with_cameras(new_staff())
    staff.page.evaluate("cameras.refusal = 'NotReadableError'")
    staff.press("Start the camera")
    expect(staff.page.get_by_text("another app is using it")).to_be_visible()
    staff.page.evaluate("cameras.refusal = null")
    start(staff)
    staff.page.evaluate("cameras.track.dispatchEvent(new Event('ended'))")
    expect(staff.page.get_by_text("another app is using it")).to_be_visible()
    start(staff)


def test_a_phone_on_its_side_shows_the_camera_beside_what_a_scan_came_to(door, new_staff):  # noqa: F811
    [ticket] = door.sell(name="Ada Lovelace")
    staff = with_cameras(new_staff())
    staff.page.set_viewport_size({"width": 844, "height": 390})
    start(staff)
    staff.type(ticket.code)
    verdict = staff.see_verdict("Come in").bounding_box()
    camera = staff.page.locator("video").bounding_box()
    assert camera["x"] + camera["width"] <= verdict["x"]
    assert camera["height"] <= 0.6 * 390 + 1
