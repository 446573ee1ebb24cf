package dev.mobilevit.demo.core

/**
 * Where the pixels of an upright picture lie in the one that the camera or decoder gave: the upright pixel (x, y) is at
 * column `column + x * columnPerX + y * columnPerY`, and so for its row.
 *
 * @property width of the upright picture.
 * @property height of the upright picture.
 */
class Turn private constructor(
    val width: Int,
    val height: Int,
    val column: Int,
    val columnPerX: Int,
    val columnPerY: Int,
    val row: Int,
    val rowPerX: Int,
    val rowPerY: Int,
) {
    companion object {
        /** For a picture of [w] x [h] with EXIF's [orientation]; all but 2 to 8 mean upright. */
        fun of(w: Int, h: Int, orientation: Int): Turn = when (orientation) {
            2 -> Turn(w, h, w - 1, -1, 0, 0, 0, 1)
            3 -> Turn(w, h, w - 1, -1, 0, h - 1, 0, -1)
            4 -> Turn(w, h, 0, 1, 0, h - 1, 0, -1)
            5 -> Turn(h, w, 0, 0, 1, 0, 1, 0)
            6 -> Turn(h, w, 0, 0, 1, h - 1, -1, 0)
            7 -> Turn(h, w, w - 1, 0, -1, h - 1, -1, 0)
            8 -> Turn(h, w, w - 1, 0, -1, 0, 1, 0)
            else -> Turn(w, h, 0, 1, 0, 0, 0, 1)
        }

        /**
         * The orientation (1, 3, 6 or 8) that turns a camera's frame upright for who looks at the screen.
         *
         * @param sensor degrees clockwise, as the camera's SENSOR_ORIENTATION says.
         * @param display quarter turns, as Display.getRotation says.
         * @param front the camera looks at the user; its frames are not mirrored, only its preview is.
         */
        fun ofCamera(sensor: Int, display: Int, front: Boolean): Int {
            val degrees = if (front) sensor + QUARTER * display else sensor - QUARTER * display
            return when (Math.floorMod(degrees, 4 * QUARTER)) {
                QUARTER -> 6
                2 * QUARTER -> 3
                3 * QUARTER -> 8
                else -> 1
            }
        }

        private const val QUARTER = 90
    }
}
