package dev.mobilevit.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CameraMetadata
import android.hardware.camera2.CaptureRequest
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.util.Log
import android.view.Surface
import dev.mobilevit.demo.core.Plane
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.YuvFrame

/**
 * Frames of a camera through Camera2. Everything runs on the thread of [frames]; while that is busy with a frame, the
 * camera drops the next ones: there is no queue.
 */
class CameraSource(
    private val context: Context,
    private val frames: Handler,
    private val onFrame: (YuvFrame) -> Unit,
    private val onProblem: (Problem) -> Unit,
) {
    private var generation = 0 // callbacks of an older one are too late
    private var device: CameraDevice? = null
    private var session: CameraCaptureSession? = null
    private var reader: ImageReader? = null
    private var request: CaptureRequest.Builder? = null
    private val buffers = Array(PLANES) { ByteArray(0) }

    fun open(camera: LiveCamera, preview: Surface) = guarded {
        close()
        val mine = generation
        val images = ImageReader.newInstance(camera.size.width, camera.size.height, ImageFormat.YUV_420_888, 2)
        images.setOnImageAvailableListener({ if (mine == generation) take(it) }, frames)
        reader = images
        val manager = context.getSystemService(CameraManager::class.java)
        @SuppressLint("MissingPermission") // who opens has asked; a permission withdrawn meanwhile is caught
        manager.openCamera(camera.id, Opening(mine, preview, images), frames)
    }

    fun torch(on: Boolean) = guarded {
        val builder = request ?: return@guarded
        val light = if (on) CameraMetadata.FLASH_MODE_TORCH else CameraMetadata.FLASH_MODE_OFF
        builder.set(CaptureRequest.FLASH_MODE, light)
        session?.setRepeatingRequest(builder.build(), null, frames)
    }

    /** Session, device, reader, in this order: none outlives what it writes to. */
    fun close() {
        generation += 1
        session?.close()
        device?.close()
        reader?.close()
        session = null
        device = null
        reader = null
        request = null
    }

    private inner class Opening(val mine: Int, val preview: Surface, val images: ImageReader) :
        CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            if (mine != generation) return camera.close()
            device = camera
            guarded {
                @Suppress("DEPRECATION") // its successor is newer than minSdk
                camera.createCaptureSession(listOf(preview, images.surface), Configured(this), frames)
            }
        }

        override fun onDisconnected(camera: CameraDevice) = lost(camera)

        override fun onError(camera: CameraDevice, error: Int) = lost(camera)

        private fun lost(camera: CameraDevice) {
            camera.close()
            if (mine == generation) fail(null)
        }
    }

    private inner class Configured(val opening: Opening) : CameraCaptureSession.StateCallback() {
        override fun onConfigured(configured: CameraCaptureSession) {
            if (opening.mine != generation) return configured.close()
            session = configured
            guarded {
                val builder = configured.device.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                builder.addTarget(opening.preview)
                builder.addTarget(opening.images.surface)
                builder.set(CaptureRequest.CONTROL_AF_MODE, CameraMetadata.CONTROL_AF_MODE_CONTINUOUS_PICTURE)
                request = builder
                configured.setRepeatingRequest(builder.build(), null, frames)
            }
        }

        override fun onConfigureFailed(configured: CameraCaptureSession) {
            if (opening.mine == generation) fail(null)
        }
    }

    private fun take(images: ImageReader) = guarded {
        val frame = images.acquireLatestImage()?.use(::copy) ?: return@guarded
        onFrame(frame)
    }

    /** The image's planes in buffers of our own: the camera has the image back before the model runs. */
    private fun copy(image: Image): YuvFrame {
        val (y, u, v) = image.planes.mapIndexed { index, plane ->
            val size = plane.buffer.remaining()
            if (buffers[index].size != size) buffers[index] = ByteArray(size)
            plane.buffer.get(buffers[index])
            Plane(buffers[index], plane.rowStride, plane.pixelStride)
        }
        return YuvFrame(image.width, image.height, y, u, v)
    }

    private fun fail(error: Exception?) {
        Log.w(TAG, error ?: Exception("the camera was lost or refused"))
        close()
        onProblem(Problem.CAMERA_FAILED)
    }

    private fun guarded(action: () -> Unit) {
        try {
            action()
        } catch (error: CameraAccessException) {
            fail(error)
        } catch (error: SecurityException) { // the permission was withdrawn
            fail(error)
        } catch (error: IllegalStateException) { // closed underneath, by the system
            fail(error)
        } catch (error: IllegalArgumentException) { // a surface that has gone, planes that do not fit
            fail(error)
        }
    }

    private companion object {
        const val TAG = "MobileViT"
        const val PLANES = 3
    }
}
