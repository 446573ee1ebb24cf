package dev.mobilevit.demo

import android.content.Context
import android.graphics.ImageFormat
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.util.Size
import kotlin.math.abs

/**
 * A camera of this device.
 *
 * @property sensor degrees clockwise that its frames are to be turned by in the device's natural orientation.
 * @property size of preview and frames, as the sensor gives them.
 */
class LiveCamera(val id: String, val front: Boolean, val sensor: Int, val hasTorch: Boolean, val size: Size)

object Cameras {
    private val WANTED = Size(640, 480) // more pixels than any model here takes, and few to convert

    /** The first back and the first front camera that can be used live, the back one first; external ones last. */
    fun of(context: Context): List<LiveCamera> {
        val manager = context.getSystemService(CameraManager::class.java) ?: return emptyList()
        val all = try {
            manager.cameraIdList.mapNotNull { describe(it, manager.getCameraCharacteristics(it)) }
        } catch (_: CameraAccessException) { // a device policy, or a camera service that does not answer
            emptyList()
        } catch (_: IllegalArgumentException) { // a camera that was unplugged meanwhile
            emptyList()
        }
        return all.distinctBy { it.front }.sortedBy { it.front }
    }

    private fun describe(id: String, traits: CameraCharacteristics): LiveCamera? {
        val map = traits.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP) ?: return null
        val shown = map.getOutputSizes(SurfaceTexture::class.java).orEmpty().toSet()
        val sizes = map.getOutputSizes(ImageFormat.YUV_420_888).orEmpty().filter { it in shown }
        return LiveCamera(
            id,
            traits.get(CameraCharacteristics.LENS_FACING) == CameraCharacteristics.LENS_FACING_FRONT,
            traits.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0,
            traits.get(CameraCharacteristics.FLASH_INFO_AVAILABLE) ?: false,
            best(sizes) ?: return null,
        )
    }

    /** The size whose number of pixels is nearest to the wanted one; of equal ones the first. */
    fun best(sizes: List<Size>): Size? = sizes.minByOrNull { abs(it.width * it.height - WANTED.width * WANTED.height) }
}
